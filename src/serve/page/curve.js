// Curves: chosen by coarseness and level, drawn by hand, and shown asked against measured.

import { clamp, draw, make, show } from './dom.js';
import { slider } from './controls.js';

const [W, H] = [400, 215];
const EDGE = { left: 42, right: 10, top: 10, bottom: 36 };

/** Round numbers from low to high. */
export function ticks(low, high, count = 5) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + 1e-9 * step; v += step) found.push(Number(v.toPrecision(10)));
  return found;
}

/** A chart over x: `lines` of { values, className }, a band of [low, high] at every x. */
export function chart({ x, x_name, y_name, lines, band, logarithmic = false }) {
  const all = [...lines.flatMap((l) => l.values), ...(band ?? []).flat()].filter(Number.isFinite);
  const scale = logarithmic ? (v) => Math.log10(Math.max(v, 1e-12)) : (v) => v;
  const shown = all.map(scale);
  let [low, high] = [Math.min(...shown), Math.max(...shown)];
  if (!logarithmic) low = Math.min(low, low < 0.3 * high && low > 0 ? 0 : low);
  if (high - low < 1e-12) [low, high] = [low - 0.5, high + 0.5];
  const [left, right] = [x[0], x[x.length - 1]];
  const px = (v) => EDGE.left + (v - left) / (right - left || 1) * (W - EDGE.left - EDGE.right);
  const py = (v) => H - EDGE.bottom - (scale(v) - low) / (high - low) * (H - EDGE.top - EDGE.bottom);
  const path = (values) => values.map((v, i) => (Number.isFinite(v) ? `${px(x[i])},${py(v)}` : '')).filter(Boolean).join(' ');
  const root = draw('svg', { viewBox: `0 0 ${W} ${H}`, class: 'chart', role: 'img' });
  root.setAttribute('aria-label', `${y_name} over ${x_name}`);
  for (const v of ticks(left, right, 6)) {
    root.append(draw('line', { x1: px(v), x2: px(v), y1: EDGE.top, y2: H - EDGE.bottom, class: 'rule' }),
      draw('text', { x: px(v), y: H - EDGE.bottom + 15, class: 'tick middle' }, String(v)));
  }
  for (const v of ticks(low, high, 4)) {
    if (logarithmic && !Number.isInteger(v)) continue;
    const value = logarithmic ? 10 ** v : v;
    root.append(draw('line', { x1: EDGE.left, x2: W - EDGE.right, y1: py(value), y2: py(value), class: 'rule' }),
      draw('text', { x: EDGE.left - 6, y: py(value) + 4, class: 'tick end' }, show(value, 3)));
  }
  root.append(draw('text', { x: (EDGE.left + W - EDGE.right) / 2, y: H - 4, class: 'tick middle' }, x_name));
  if (band) {
    const lower = band.map(([l]) => l);
    const upper = band.map(([, u]) => u);
    const corners = `${path(upper)} ${path(lower).split(' ').reverse().join(' ')}`;
    root.append(draw('polygon', { points: corners, class: 'band' }, draw('title', {}, 'nine in ten real images')));
  }
  for (const line of lines) root.append(draw('polyline', { points: path(line.values), class: line.className }));
  root.value = (event) => {
    const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(root.getScreenCTM().inverse());
    const inner = (H - EDGE.bottom - p.y) / (H - EDGE.top - EDGE.bottom) * (high - low) + low;
    const along = (p.x - EDGE.left) / (W - EDGE.left - EDGE.right) * (right - left) + left;
    return [along, logarithmic ? 10 ** inner : inner];
  };
  return root;
}

/** At which x a curve has fallen by a factor e towards where it tends: its coarseness. */
export function coarseness(curve, x) {
  const end = curve[0] * curve[0];
  const falls = curve[0] - end;
  if (!(falls > 1e-9)) return x[0];
  for (let i = 1; i < curve.length; i += 1) {
    const [before, after] = [curve[i - 1] - end, curve[i] - end];
    const wanted = falls / Math.E;
    if (after <= wanted) return x[i - 1] + (before - wanted) / (before - after || 1) * (x[i] - x[i - 1]);
  }
  return x[x.length - 1];
}

/** The curve of one level as it would be at another: the covariance is scaled. */
function levelled(curve, level) {
  const [a, b] = [curve[0], level];
  const scale = b * (1 - b) / (a * (1 - a) || 1);
  return curve.map((v) => b * b + (v - a * a) * scale);
}

/** Controls of a curve: level and coarseness, the curve itself to draw on, its numbers. */
export function curveControls(run, property, columns, table, change) {
  const { first, count, x } = property;
  const rows = table.rows.map((row) => row.slice(first, first + count));
  const band = table.band.slice(first, first + count).map(([low, , high]) => [low, high]);
  const width = rows.map((row) => coarseness(row, x));
  const falls = rows.every((row) => row[0] >= row[count - 1]);
  // A fraction of the run that is the curve's beginning moves with it.
  const twin = run.columns.find((c, i) => (i < first || i >= first + count)
    && table.rows.every((row) => Math.abs(row[i] - row[first]) < 2e-3));
  const levels = rows.map((row) => row[0]);
  const range = (values) => [Math.min(...values), Math.max(...values)];
  const [l, c] = [range(levels), range(width)];
  let now = { level: levels[0], coarse: width[0], curve: rows[0] };
  const ask = (curve, with_twin = true) => {
    const target = {};
    columns.forEach((column, i) => { target[column.name] = clamp(curve[i], 0, 1); });
    if (twin && with_twin) target[twin.name] = clamp(curve[0], 0, 1);
    change(target);
  };
  // The nearest real curve, brought to the level that is asked.
  const choose = (level, coarse) => {
    const far = (i) => ((levels[i] - level) / (l[1] - l[0] || 1)) ** 2 + 4 * ((width[i] - coarse) / (c[1] - c[0] || 1)) ** 2;
    let best = 0;
    for (let i = 1; i < rows.length; i += 1) if (far(i) < far(best)) best = i;
    chosen = { level, coarse };
    ask(levelled(rows[best], level));
  };
  let chosen = null;
  const round = (v) => Number(v.toFixed(2));
  const level = slider({
    id: `${property.name}-level`, label: columns[0].name, low: round(Math.max(l[0] - 0.1, 0.02)), high: round(Math.min(l[1] + 0.1, 0.98)), step: 0.01, band: l,
    title: 'Where the curve begins: the share of the class',
  }, (value) => choose(value, chosen?.coarse ?? now.coarse));
  const coarse = slider({
    id: `${property.name}-coarseness`, label: 'coarseness', unit: 'px', low: round(c[0]), high: round(c[1]), step: 0.05, band: c,
    title: 'Distance at which the correlation has fallen by a factor e',
  }, (value) => choose(chosen?.level ?? now.level, value));
  const plot = make('div', { className: 'plot' });
  const numbers = make('div', { className: 'numbers' }, ...columns.map((column) => {
    const box = make('input', { type: 'number', step: 'any', id: `number-${column.name}`, 'aria-label': column.name });
    box.addEventListener('input', () => {
      if (!Number.isFinite(box.valueAsNumber)) return;
      chosen = null;
      const curve = [...now.curve];
      curve[columns.indexOf(column)] = box.valueAsNumber;
      ask(curve);
    });
    return make('label', {}, column.name, box);
  }));
  const root = make('div', { className: 'curve' }, ...(falls ? [level.root, coarse.root] : []), plot,
    make('p', { className: 'hint' }, 'Draw on the curve to ask for another. The band holds nine in ten real images.'),
    make('details', {}, make('summary', {}, 'The curve in numbers'), numbers));
  draws(plot, () => now.curve, x, (curve) => { chosen = null; ask(curve); });
  return {
    root,
    set(target) {
      const curve = columns.map((column) => target[column.name]);
      now = { level: curve[0], coarse: coarseness(curve, x), curve };
      // What was chosen stays as it was set: the nearest real curve is a little finer or coarser.
      level.set(chosen?.level ?? now.level);
      coarse.set(chosen?.coarse ?? now.coarse);
      columns.forEach((column, i) => {
        const box = numbers.children[i].querySelector('input');
        if (document.activeElement !== box) box.value = show(curve[i], 5);
      });
      const fresh = chart({ x, x_name: property.x_name, y_name: property.y_name, band, lines: [{ values: curve, className: 'asked' }] });
      if (!plot.dragging) plot.replaceChildren(fresh);
      else plot.firstChild.querySelector('.asked').setAttribute('points', fresh.querySelector('.asked').getAttribute('points'));
    },
  };
}

/** Lets the curve follow the pointer. */
function draws(plot, current, x, done) {
  plot.addEventListener('pointerdown', (event) => {
    event.preventDefault();
    plot.setPointerCapture(event.pointerId);
    plot.dragging = true;
    let last = null;
    const moved = (e) => {
      const [along, value] = plot.firstChild.value(e);
      const i = clamp(Math.round((along - x[0]) / (x[1] - x[0] || 1)), 0, x.length - 1);
      const curve = [...current()];
      // Between two events the pointer may have passed several points.
      const [from, start] = last ?? [i, value];
      for (let k = Math.min(i, from); k <= Math.max(i, from); k += 1) {
        curve[k] = clamp(i === from ? value : start + (value - start) * (k - from) / (i - from), 0, 1);
      }
      last = [i, value];
      done(curve);
    };
    const stop = () => {
      plot.dragging = false;
      plot.removeEventListener('pointermove', moved);
    };
    moved(event);
    plot.addEventListener('pointermove', moved);
    plot.addEventListener('pointerup', stop, { once: true });
    plot.addEventListener('pointercancel', stop, { once: true });
  });
}
