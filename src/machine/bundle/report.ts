/** The report of a run: one page with everything in it, which asks nothing of any network. */
import type { RecordedInput } from '../inputs.ts';
import type { Manifest } from './manifest.ts';
import { PAGE_SCRIPT } from './page-script.ts';
import { PAGE_STYLE } from './page-style.ts';
import type { TimelineLane } from './timeline.ts';

export interface ReportPhase {
  readonly timeNs: number;
  readonly name: string;
}

export interface ReportImage {
  readonly timeNs: number;
  readonly name: string;
  readonly png: Uint8Array;
}

export interface ReportText {
  readonly timeNs: number;
  /** A line with its end, or the last one without. */
  text: string;
}

export interface ReportContent {
  readonly title: string;
  readonly manifest: Manifest;
  readonly endNs: number;
  readonly phases: readonly ReportPhase[];
  readonly lanes: readonly TimelineLane[];
  readonly images: readonly ReportImage[];
  readonly console: readonly ReportText[];
  readonly inputs: readonly RecordedInput[];
}

const NS_PER_SECOND = 1e9;

/** The browser itself refuses whatever is not in the page. */
const POLICY =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function seconds(timeNs: number): string {
  return `${(timeNs / NS_PER_SECOND).toFixed(6)} s`;
}

/** JSON that can stand in a script element. */
function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', String.raw`\u003c`);
}

function facts({ manifest, endNs }: ReportContent): [string, string][] {
  const rows: [string, string][] = [];
  if (manifest.kind === 'boot') {
    const { machine, end, inputs } = manifest;
    const { generation, host, guest, processors, memoryBytes, networkAdapters } = machine;
    const switches = Object.entries(machine.switches).map(([name, value]) => `${name}=${value}`);
    rows.push(
      ['ended', `${end.ending} (exit code ${end.exitCode})`],
      ['digest', `${end.digest} over ${end.events} events`],
      ['machine', `Generation ${generation}, host ${host}, guest ${guest}`],
      [
        'configuration',
        `${processors} processor${processors === 1 ? '' : 's'}, ` +
          `${memoryBytes / 2 ** 20} MiB, ${networkAdapters} network adapters`,
      ],
      ...(switches.length === 0 ? [] : [['switches', switches.join(' ')] as [string, string]]),
      ['seed', machine.seed],
      ...[...machine.disks, ...machine.dvds, ...(machine.floppy ? [machine.floppy] : [])].map(
        ({ path, sha256 }): [string, string] => ['image', `${path}, SHA-256 ${sha256}`],
      ),
      ['inputs', inputs.length === 0 ? 'none' : String(inputs.length)],
    );
  } else {
    rows.push(
      ['result', manifest.result],
      ['digest', manifest.digest],
      ['scenario', `${manifest.scenario} (${manifest.script.path})`],
      ['seed', manifest.seed],
    );
  }
  rows.push(
    ['virtual time', seconds(endNs)],
    ['real time', `${(manifest.wallMs / 1000).toFixed(3)} s`],
    ['program', `synthvm ${manifest.program}`],
    ['command', manifest.command.join(' ')],
  );
  return rows;
}

function phaseRows({ phases, endNs }: ReportContent): string {
  return phases
    .map(({ timeNs, name }, index) => {
      const untilNs = phases[index + 1]?.timeNs ?? endNs;
      return (
        `<tr><td>${escapeHtml(name)}</td><td>${seconds(timeNs)}</td>` +
        `<td>${seconds(untilNs - timeNs)}</td></tr>`
      );
    })
    .join('');
}

function figures({ images }: ReportContent): string {
  return images
    .map(
      ({ timeNs, name, png }) =>
        `<figure data-t="${timeNs}"><img alt="the screen at ${escapeHtml(name)}" ` +
        `src="data:image/png;base64,${Buffer.from(png).toString('base64')}">` +
        `<figcaption>${escapeHtml(name)}, ${seconds(timeNs)}</figcaption></figure>`,
    )
    .join('\n');
}

function consoleLines({ console }: ReportContent): string {
  return console
    .map(
      ({ timeNs, text }) =>
        `<div data-t="${timeNs}"><time>${(timeNs / NS_PER_SECOND).toFixed(3)}</time>` +
        `${escapeHtml(text.replaceAll(/[\r\n]/g, '')) || '&#8203;'}</div>`,
    )
    .join('');
}

/** Numbers and short texts, for the script that draws the timeline. */
function drawing({ phases, lanes, endNs, inputs }: ReportContent): unknown {
  return {
    endNs,
    phases: phases.map(({ timeNs, name }) => [timeNs, name]),
    lanes: lanes.map(({ name, count, stride, events }) => ({
      name,
      count,
      stride,
      events: events.map(({ timeNs, label, detail }) => [timeNs, label, detail]),
    })),
    inputs: inputs.map(({ at, input }) => [at.timeNs, input.kind, JSON.stringify(input)]),
  };
}

export function reportPage(content: ReportContent): string {
  const title = escapeHtml(content.title);
  const factRows = facts(content)
    .map(([name, value]) => `<tr><th>${name}</th><td>${escapeHtml(value)}</td></tr>`)
    .join('');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<h1>${title}</h1>
<section id="facts"><table>${factRows}</table></section>
<section id="timeline">
<h2>Timeline <small>virtual time; wheel zooms, dragging moves, a click chooses a moment</small></h2>
<canvas id="lanes" tabindex="0"></canvas>
<p id="chosen">&#8203;</p>
</section>
<section id="screens"><h2>Screen</h2><div>${figures(content)}</div></section>
<section id="console"><h2>Console</h2><div class="lines">${consoleLines(content)}</div></section>
<section id="phases"><h2>Phases</h2>
<table><tr><th>phase</th><th>from</th><th>for</th></tr>${phaseRows(content)}</table></section>
<script type="application/json" id="data">${scriptJson(drawing(content))}</script>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
}
