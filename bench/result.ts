/** One measured figure. */
export interface BenchResult {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the figure stands beside, or how it was taken. */
  readonly note?: string;
}
