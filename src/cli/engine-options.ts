/**
 * What JavaScriptCore is told of its compilers for an x86-64 guest. It reads its options from
 * the environment, once, as the process starts; so the process starts over with them, in place. The second
 * compiler comes earlier: a guest's code is many functions of which each is short. And there are more threads
 * than processors, so that a new module does not wait until the second compiler is through with a function.
 * TypeScript's last compiler comes late: it competes with the others for the processors while a guest boots.
 */
const OPTIONS: Readonly<Record<string, string>> = {
  BUN_JSC_numberOfWasmCompilerThreads: '4',
  BUN_JSC_thresholdForFTLOptimizeAfterWarmUp: '1000000',
  BUN_JSC_thresholdForOMGOptimizeAfterWarmUp: '50000',
};

/** Whether a command line boots a kernel of the user's. */
function bootsKernel([command, ...flags]: readonly string[]): boolean {
  return command === 'boot' && flags.some((flag) => /^--kernel(?:=|$)/.test(flag));
}

/** In a standalone binary, the second argument is where its code is in itself. */
const IN_BINARY = /[/\\](?:\$bunfs|~BUN)[/\\]/;

type Process = Pick<NodeJS.Process, 'argv' | 'env' | 'execArgv' | 'execPath' | 'platform'>;

/** @returns arguments and environment to start over with, or undefined where that is not wanted, or done */
export function restartOf({
  argv,
  env,
  execArgv,
  execPath,
  platform,
}: Process): { readonly argv: readonly string[]; readonly env: NodeJS.ProcessEnv } | undefined {
  const isGiven = Object.keys(OPTIONS).some((name) => env[name] !== undefined);
  // Windows has no exec: there the guest is slower.
  if (platform === 'win32' || isGiven || !bootsKernel(argv.slice(2))) return undefined;
  const rest = IN_BINARY.test(argv[1] ?? '') ? argv.slice(2) : [...execArgv, ...argv.slice(1)];
  return { argv: [execPath, ...rest], env: { ...env, ...OPTIONS } };
}

/** Starts the program over with the options, if it is to boot a kernel and has not got them. */
export function restartForKernel(): void {
  const restart = restartOf(process);
  if (restart === undefined) return;
  process.execve?.(process.execPath, restart.argv, restart.env);
}
