import { GPR, SegmentIndex } from '../src/cpu/state.ts';
import { setSegment } from '../src/cpu/system/segments.ts';
import { cpuRig, LONG_MODE, rigMemory, setControl } from '../test/cpu/rig.ts';
import { EXECUTORS } from '../tools/record-vectors/executors.ts';
import type { BenchResult } from './result.ts';

const [PML4, POINTERS, DIRECTORY] = [0x1000, 0x2000, 0x3000];
const [CODE, SOURCE, TARGET, STACK] = [0x10_0000, 0x11_0000, 0x12_0000, 0x13_0000];
/** Present, writable; of the page of 2 MiB also accessed, dirty and large. */
const [TABLE_RIGHTS, PAGE_RIGHTS] = [0x23, 0xe3];
const [RSP, RSI, RDI] = [4, 6, 7];
const CHUNK = 2_000_000;
/** JavaScriptCore's compilers come in the background, its last one after some hundred milliseconds. */
const WARM_MS = 1500;
const MEASURE_MS = 1000;

/** Loops for ever in 64-bit mode, RSI and RDI at data, as an assembler made them. */
const PROGRAMS: Readonly<Record<string, string>> = {
  // mov ecx, 500; l: mov rax, [rsi+rcx*8]; add rax, rbx; mov [rdi+rcx*8], rax; dec rcx; jnz l; jmp back
  'a loop over memory': 'b9f4010000488b04ce4801d8488904cf48ffc975f0ebe9',
  // A function with a frame, two pushes and a condition, called a thousand times
  calls:
    'b9e80300004889cae8130000004801c34883e90175efebe80f1f840000000000' +
    '554889e553488d049248f7c20100000074044883c007488b5e084831d85b5dc3',
  // Three conditions a turn, two of them on memory
  branches:
    'b9e8030000488b0648a90100000075044883c3014839cb770348891f0fb6560380fa0574034901d14883e90175d7ebd0',
};

/** Million instructions a second of a program, in one of the ways to execute it. */
function measure(code: string, executor: string): number {
  const rig = cpuRig(rigMemory(executor !== 'reference'));
  const { cpu } = rig;
  rig.put(PML4, 8, POINTERS | TABLE_RIGHTS);
  rig.put(POINTERS, 8, DIRECTORY | TABLE_RIGHTS);
  rig.put(DIRECTORY, 8, PAGE_RIGHTS);
  setSegment(cpu, SegmentIndex.cs, 8, 0, 0xffff_ffff, 0xa09b);
  for (const segment of [SegmentIndex.ss, SegmentIndex.ds, SegmentIndex.es]) {
    setSegment(cpu, segment, 16, 0, 0xffff_ffff, 0xc093);
  }
  setControl(rig, { ...LONG_MODE, cr3: PML4, cpl: 0 });
  rig.memory.u8.set(Buffer.from(code, 'hex'), rig.at(CODE));
  cpu.setSigned(GPR + 8 * RSP, STACK);
  cpu.setSigned(GPR + 8 * RSI, SOURCE);
  cpu.setSigned(GPR + 8 * RDI, TARGET);
  cpu.rip = CODE;
  const steps = EXECUTORS[executor]!(rig);
  const runFor = (limitMs: number): number => {
    const startMs = performance.now();
    let instructions = 0;
    for (;;) {
      const count = executor === 'reference' ? CHUNK / 100 : CHUNK;
      steps.run(count);
      instructions += count;
      const elapsedMs = performance.now() - startMs;
      if (elapsedMs >= limitMs) return instructions / elapsedMs / 1000;
    }
  };
  runFor(WARM_MS);
  return runFor(MEASURE_MS);
}

/** The tiers of the x86-64 processor, and the reference executor, on loops that are all in the caches. */
export function processorBench(): BenchResult[] {
  return Object.entries(PROGRAMS).flatMap(([program, code]) =>
    Object.keys(EXECUTORS).map((executor) => ({
      name: `${program}, ${executor}`,
      value: measure(code, executor),
      unit: 'MIPS',
    })),
  );
}
