/** What a command and a flag are, and the flags that several commands have. */
export interface Option {
  /** Without the dashes. */
  readonly name: string;
  readonly short?: string;
  /** What stands after the flag in help; none for a switch. */
  readonly value?: string;
  readonly help: string;
  /** May be given more than once. */
  readonly many?: boolean;
}

export interface Command {
  readonly name: string;
  readonly operands: string;
  readonly summary: string;
  readonly options: readonly Option[];
  /** Lines of help after the options. */
  readonly notes?: readonly string[];
}

export const JSON_OPTION: Option = {
  name: 'json',
  help: 'write JSON, one object a line, to standard output',
};

export const OUT: Option = {
  name: 'out',
  value: 'DIR',
  help: 'write a run bundle: events, console, screens, packets, report.html; `replay` runs it again',
};

/** @param help what is left out with it */
export function quiet(help: string): Option {
  return { name: 'quiet', short: 'q', help };
}

/** @param help what it is used for */
export function seed(help: string): Option {
  return { name: 'seed', value: 'N', help };
}
