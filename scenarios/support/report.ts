/** How a scenario shows itself when it is run by hand. */

export interface Scenario<Facts> {
  /** "1.14 Sixteen disks on a Windows Server 2016 Technical Preview host". */
  readonly title: string;
  readonly broken: () => Facts;
  readonly fixed: () => Facts;
  /** The table: what a row is called, and its cell. */
  readonly rows: Readonly<Record<string, (facts: Facts) => string | number | boolean>>;
  /** Console lines worth reading, of each mode. */
  readonly excerpt?: (facts: Facts) => readonly string[];
  /** What to look at in the table. */
  readonly lookFor: string;
}

/** Runs both modes and prints them side by side. */
export function show<Facts>(scenario: Scenario<Facts>): void {
  const broken = scenario.broken();
  const fixed = scenario.fixed();
  const rows = Object.entries(scenario.rows).map(([name, cell]) => [
    name,
    cellText(cell(broken)),
    cellText(cell(fixed)),
  ]);
  const table = [['', 'broken', 'fixed'], ...rows];
  const widths = [0, 1, 2].map((column) =>
    Math.max(...table.map((row) => Math.min(row[column]!.length, 40))),
  );
  const lines = table.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd(),
  );
  print([scenario.title, '', ...lines]);
  if (scenario.excerpt !== undefined) {
    print(['', 'broken:', ...indent(scenario.excerpt(broken))]);
    print(['', 'fixed:', ...indent(scenario.excerpt(fixed))]);
  }
  print(['', `Look for: ${scenario.lookFor}`]);
}

function cellText(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return String(value);
}

function indent(lines: readonly string[]): string[] {
  return lines.length === 0 ? ['  (nothing)'] : lines.map((line) => `  ${line}`);
}

export function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}
