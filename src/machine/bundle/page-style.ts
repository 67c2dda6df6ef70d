/** How the report looks. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5d6778; --paper: #ffffff; --panel: #f4f6f9;
  --line: #d5dbe4; --mark: #c0392b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ef; --soft: #98a3b5; --paper: #12161d;
  --panel: #1a202a; --line: #303947; --mark: #ff7a6b; } }
body { margin: 0 auto; padding: 1.2rem 1.6rem 3rem; max-width: 1500px; color: var(--ink);
  background: var(--paper); font: 14px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.35rem; margin: 0 0 .8rem; }
h2 { font-size: 1rem; margin: 1.6rem 0 .5rem; }
h2 small { font-weight: normal; color: var(--soft); margin-left: .6rem; }
table { border-collapse: collapse; }
th { text-align: left; font-weight: 600; color: var(--soft); padding: .12rem 1.2rem .12rem 0;
  vertical-align: top; white-space: nowrap; }
td { padding: .12rem 1.2rem .12rem 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
#lanes { width: 100%; display: block; background: var(--panel); border: 1px solid var(--line);
  border-radius: 4px; cursor: crosshair; }
#chosen { margin: .4rem 0 0; min-height: 1.4em; font: 12.5px/1.4 ui-monospace, monospace;
  overflow-wrap: anywhere; }
#screens > div { display: flex; gap: 1rem; overflow-x: auto; padding-bottom: .4rem; }
figure { margin: 0; flex: 0 0 auto; }
figure img { display: block; height: 300px; border: 2px solid var(--line); border-radius: 3px;
  cursor: zoom-in; background: #000; }
figure.large img { height: auto; max-width: none; cursor: zoom-out; }
figure.now img { border-color: var(--mark); }
figcaption { color: var(--soft); margin-top: .25rem; }
.lines { max-height: 34rem; overflow: auto; background: #0c0f14; color: #d9dee7; border-radius: 4px;
  padding: .6rem .8rem; font: 12.5px/1.4 ui-monospace, monospace; white-space: pre-wrap; }
.lines time { display: inline-block; width: 5.4rem; color: #6f7d92; user-select: none; }
.lines .later { opacity: .38; }
.lines .now { background: #25364d; }
`;
