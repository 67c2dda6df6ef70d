/** What the report's timeline does in a browser. It is plain JavaScript, and runs nowhere else. */
export const PAGE_SCRIPT = String.raw`
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const canvas = document.getElementById('lanes');
const chosen = document.getElementById('chosen');
const context = canvas.getContext('2d');
const NAMES = 225, AXIS = 24, BAR = 26, LANE = 20;
const COLORS = ['#3b78c3', '#b0662d', '#5a9a3f', '#8c5bb5', '#c04a73', '#2c9090', '#99862a', '#6c7789'];
const lanes = data.lanes.slice();
if (data.inputs.length > 0)
  lanes.unshift({ name: 'inputs', count: data.inputs.length, stride: 1, events: data.inputs });
const firstNs = data.phases.length > 0 ? Math.min(data.phases[0][0], data.endNs) : 0;
const margin = Math.max((data.endNs - firstNs) * 0.01, 1000);
const whole = [Math.max(0, firstNs - margin), data.endNs + margin];
let view = whole.slice();
let cursorNs = data.endNs;
let hovered;

function style(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
function width() { return canvas.clientWidth - NAMES - 10; }
function xOf(t) { return NAMES + ((t - view[0]) / (view[1] - view[0])) * width(); }
function timeAt(x) { return view[0] + ((x - NAMES) / width()) * (view[1] - view[0]); }
function laneTop(index) { return AXIS + BAR + 8 + index * LANE; }
function showTime(t, span) {
  if (span > 2e9) return (t / 1e9).toFixed(2) + ' s';
  if (span > 2e7) return (t / 1e9).toFixed(3) + ' s';
  if (span > 2e4) return (t / 1e6).toFixed(3) + ' ms';
  return (t / 1e3).toFixed(3) + ' us';
}
function firstAt(events, t) {
  let low = 0, high = events.length;
  while (low < high) { const middle = (low + high) >> 1; if (events[middle][0] < t) low = middle + 1; else high = middle; }
  return low;
}

function draw() {
  const ratio = window.devicePixelRatio || 1;
  const height = laneTop(lanes.length) + 8;
  canvas.style.height = height + 'px';
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const ink = style('--ink'), soft = style('--soft'), line = style('--line'), mark = style('--mark');
  context.clearRect(0, 0, canvas.clientWidth, height);
  context.font = '12px system-ui, sans-serif';
  context.textBaseline = 'middle';
  const span = view[1] - view[0];
  const rough = span / Math.max(1, width() / 110);
  const power = Math.pow(10, Math.floor(Math.log10(rough)));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  for (let t = Math.ceil(view[0] / step) * step; t <= view[1]; t += step) {
    const x = xOf(t);
    context.fillStyle = line; context.fillRect(x, AXIS, 1, height - AXIS);
    context.fillStyle = soft; context.textAlign = 'center'; context.fillText(showTime(t, span), x, AXIS / 2);
  }
  context.textAlign = 'left';
  context.save();
  context.beginPath(); context.rect(NAMES, AXIS, width(), BAR + 8); context.clip();
  data.phases.forEach((phase, index) => {
    const until = index + 1 < data.phases.length ? data.phases[index + 1][0] : data.endNs;
    const left = xOf(phase[0]), right = Math.max(xOf(until), left + 2);
    context.fillStyle = COLORS[index % COLORS.length];
    context.fillRect(left, AXIS + 2, right - left, BAR);
    const room = Math.min(right, NAMES + width()) - Math.max(left, NAMES);
    if (context.measureText(phase[1]).width + 8 < room) {
      context.fillStyle = '#fff';
      context.fillText(phase[1], Math.max(left, NAMES) + 4, AXIS + 2 + BAR / 2);
    }
  });
  context.restore();
  context.fillStyle = soft; context.fillText('phases', 8, AXIS + 2 + BAR / 2);
  lanes.forEach((lane, index) => {
    const top = laneTop(index);
    context.fillStyle = ink;
    context.fillText(lane.name, 8, top + LANE / 2);
    context.fillStyle = soft; context.textAlign = 'right';
    context.fillText(String(lane.count), NAMES - 8, top + LANE / 2);
    context.textAlign = 'left';
    context.fillStyle = line; context.fillRect(NAMES, top + LANE - 1, width(), 1);
    context.fillStyle = COLORS[(index + 2) % COLORS.length];
    context.globalAlpha = 0.75;
    const end = firstAt(lane.events, view[1]);
    for (let at = firstAt(lane.events, view[0]); at < end; at += 1)
      context.fillRect(xOf(lane.events[at][0]) - 0.75, top + 3, 1.5, LANE - 7);
    context.globalAlpha = 1;
    if (end - firstAt(lane.events, view[0]) < width() / 90) {
      context.fillStyle = ink;
      let free = -Infinity;
      for (let at = firstAt(lane.events, view[0]); at < end; at += 1) {
        const x = xOf(lane.events[at][0]) + 4;
        if (x < free) continue;
        context.fillText(lane.events[at][1], x, top + LANE / 2);
        free = x + context.measureText(lane.events[at][1]).width + 8;
      }
    }
  });
  const x = xOf(cursorNs);
  if (x >= NAMES && x <= NAMES + width()) { context.fillStyle = mark; context.fillRect(x - 0.5, AXIS, 1.5, height - AXIS); }
}

function choose(t) {
  cursorNs = Math.min(Math.max(t, 0), data.endNs);
  let now;
  document.querySelectorAll('.lines > div').forEach((row) => {
    const isLater = Number(row.dataset.t) > cursorNs;
    row.classList.toggle('later', isLater);
    row.classList.remove('now');
    if (!isLater) now = row;
  });
  if (now !== undefined) {
    now.classList.add('now');
    const box = now.parentElement;
    box.scrollTop = now.offsetTop - box.offsetTop - box.clientHeight / 2;
  }
  let picture;
  document.querySelectorAll('figure').forEach((figure) => {
    figure.classList.remove('now');
    if (Number(figure.dataset.t) <= cursorNs) picture = figure;
  });
  if (picture !== undefined) picture.classList.add('now');
  draw();
}

function zoom(factor, x) {
  const t = timeAt(x);
  const span = Math.min(Math.max((view[1] - view[0]) * factor, 100), whole[1] - whole[0]);
  const left = Math.min(Math.max(t - (t - view[0]) * (span / (view[1] - view[0])), whole[0]), whole[1] - span);
  view = [left, left + span];
  draw();
}

function nearest(event) {
  const lane = lanes[Math.floor((event.offsetY - laneTop(0)) / LANE)];
  if (lane === undefined || event.offsetY < laneTop(0)) return undefined;
  const t = timeAt(event.offsetX);
  const at = firstAt(lane.events, t);
  const best = [lane.events[at - 1], lane.events[at]].filter((it) => it !== undefined)
    .sort((a, b) => Math.abs(a[0] - t) - Math.abs(b[0] - t))[0];
  return best !== undefined && Math.abs(xOf(best[0]) - event.offsetX) < 8 ? [lane, best] : undefined;
}

canvas.addEventListener('wheel', (event) => {
  event.preventDefault();
  zoom(event.deltaY > 0 ? 1.25 : 0.8, event.offsetX);
}, { passive: false });
let drag;
canvas.addEventListener('pointerdown', (event) => {
  drag = { x: event.offsetX, view: view.slice(), moved: false };
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener('pointermove', (event) => {
  if (drag !== undefined) {
    const by = ((event.offsetX - drag.x) / width()) * (drag.view[1] - drag.view[0]);
    if (Math.abs(event.offsetX - drag.x) > 3) drag.moved = true;
    if (drag.moved) {
      const span = drag.view[1] - drag.view[0];
      const left = Math.min(Math.max(drag.view[0] - by, whole[0]), whole[1] - span);
      view = [left, left + span];
      draw();
    }
    return;
  }
  hovered = nearest(event);
  chosen.textContent = hovered === undefined ? showTime(timeAt(event.offsetX), view[1] - view[0])
    : (hovered[1][0] / 1e9).toFixed(9) + ' s  ' + hovered[0].name + ': ' + hovered[1][1] + '  ' + hovered[1][2] +
      (hovered[0].stride > 1 ? '  (one of ' + hovered[0].stride + ' is shown)' : '');
});
canvas.addEventListener('pointerup', (event) => {
  if (drag !== undefined && !drag.moved) {
    const hit = nearest(event);
    choose(hit === undefined ? timeAt(event.offsetX) : hit[1][0]);
  }
  drag = undefined;
});
canvas.addEventListener('dblclick', () => { view = whole.slice(); draw(); });
canvas.addEventListener('keydown', (event) => {
  const middle = NAMES + width() / 2;
  if (event.key === '+' || event.key === '=') zoom(0.8, middle);
  else if (event.key === '-') zoom(1.25, middle);
  else if (event.key === '0') { view = whole.slice(); draw(); }
  else return;
  event.preventDefault();
});
document.querySelectorAll('figure img').forEach((image) =>
  image.addEventListener('click', () => image.parentElement.classList.toggle('large')));
document.querySelectorAll('.lines > div').forEach((row) =>
  row.addEventListener('click', () => choose(Number(row.dataset.t))));
window.addEventListener('resize', draw);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
choose(data.endNs);
`;
