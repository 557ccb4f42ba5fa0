// What is asked for: sliders with number boxes, fractions that sum to one, curves.

import { by, clamp, make, show, vary } from './dom.js';
import { curveControls } from './curve.js';

/** A step that is 1, 2 or 5 times a power of ten, for about 200 places. */
function stepOf(range) {
  const rough = range / 200;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10);
}

/** From where to where a slider goes: the trained range, and some of what is possible beyond it. */
export function reach(column, whole = false) {
  const [least, most] = column.possible;
  if (whole) return { low: 0, high: 1, step: 0.005 };
  const room = 0.3 * (column.high - column.low) || 0.1 * Math.abs(column.high) || 1;
  const step = stepOf(column.high - column.low + 2 * room);
  const round = (value, way) => Number((way(value / step) * step).toPrecision(12));
  return {
    low: round(Math.max(column.low - room, least ?? -Infinity), Math.ceil),
    high: round(Math.min(column.high + room, most ?? Infinity), Math.floor),
    step,
  };
}

/** A slider, a number box and a warning; `set` shows a value, `onchange` is told one. */
export function slider({ id, label, unit = '', low, high, step, band, title = '', swatch = null }, onchange) {
  const range = make('input', { type: 'range', min: low, max: high, step, id: `slide-${id}`, title, 'aria-label': `${label}${unit ? `, ${unit}` : ''}` });
  const number = make('input', { type: 'number', step: 'any', id: `number-${id}`, 'aria-label': `${label}, number` });
  const warning = make('p', { className: 'warn', hidden: true });
  const at = (value) => clamp((value - low) / (high - low || 1), 0, 1);
  if (band) vary(range, { '--from': at(band[0]), '--to': at(band[1]) });
  const dot = swatch && make('i', { className: 'swatch' });
  if (dot) vary(dot, { '--swatch': swatch });
  const row = make('div', { className: 'row' },
    make('label', { htmlFor: range.id, title }, dot, label), range, number, make('span', { className: 'unit' }, unit));
  const root = make('div', { className: 'property' }, row, warning);
  const outside = (value) => {
    const slack = 1e-6 * Math.max(...(band ?? [1]).map(Math.abs));
    warning.hidden = !band || (value >= band[0] - slack && value <= band[1] + slack);
    if (!warning.hidden) {
      const text = `outside the trained range, ${show(band[0])} to ${show(band[1])}${unit ? ` ${unit}` : ''}`;
      warning.textContent = `⚠ ${text}: samples may miss it`;
    }
  };
  range.addEventListener('input', () => {
    number.value = range.value;
    outside(range.valueAsNumber);
    onchange(range.valueAsNumber);
  });
  number.addEventListener('input', () => {
    if (!Number.isFinite(number.valueAsNumber)) return;
    range.value = number.value;
    outside(number.valueAsNumber);
    onchange(number.valueAsNumber);
  });
  return {
    root,
    set(value) {
      range.value = value;
      if (document.activeElement !== number) number.value = show(value, 5);
      outside(value);
    },
  };
}

/** The controls of a run. `change` takes numbers by name; returns what shows numbers again. */
export function controls(run, table, change) {
  const box = by('controls');
  box.replaceChildren();
  const shows = [];
  const group = (title, ...children) => {
    if (children.length) box.append(make('fieldset', {}, make('legend', {}, title), ...children));
  };
  const plain = (column, swatch) => {
    const control = slider({
      id: column.name, label: column.name, unit: column.unit, band: [column.low, column.high], swatch, ...reach(column),
    }, (value) => change({ [column.name]: value }));
    shows.push((target) => control.set(target[column.name]));
    return control.root;
  };
  const columns = (property) => run.columns.slice(property.first, property.first + property.count);
  if (run.figures) {
    // What belongs to one figure stands together, whichever property it is of.
    const left = new Set(run.columns);
    run.figures.forEach((kind, i) => {
      const own = run.columns.filter((c) => c.name.endsWith(String(i + 1)));
      own.forEach((c) => left.delete(c));
      group(`${kind} ${i + 1}`, ...own.map((c) => plain(c, run.palette[i + 1])));
    });
    group('more', ...[...left].map((c) => plain(c)));
    return (target) => shows.forEach((set) => set(target));
  }
  for (const property of run.properties) {
    if (property.view === 'curve') {
      const curve = curveControls(run, property, columns(property), table, change);
      group(property.name, curve.root);
      shows.push(curve.set);
    } else if (property.view === 'shares') {
      group(`${property.name}, which sum to 1`, ...shares(run, columns(property), change, shows));
    } else {
      group(property.name, ...columns(property).map((c) => plain(c)));
    }
  }
  return (target) => shows.forEach((set) => set(target));
}

/** Sliders that sum to one: what one takes, the others give in proportion. */
function shares(run, columns, change, shows) {
  let now = {};
  return columns.map((column, i) => {
    const others = columns.filter((c) => c !== column);
    const control = slider({
      id: column.name, label: column.name, band: [column.low, column.high], swatch: run.palette[i], ...reach(column, true),
    }, (asked) => {
      const value = clamp(asked, 0, 1);
      const sum = others.reduce((total, c) => total + now[c.name], 0);
      const fresh = { [column.name]: value };
      for (const c of others) {
        fresh[c.name] = sum > 1e-9 ? now[c.name] * (1 - value) / sum : (1 - value) / others.length;
      }
      change(fresh);
    });
    shows.push((target) => {
      now = target;
      control.set(target[column.name]);
    });
    return control.root;
  });
}
