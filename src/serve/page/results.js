// The certificate of one sample: asked, measured, how far off, pass or fail.

import { by, make, show, vary } from './dom.js';
import { chart } from './curve.js';

/** Shows sample number `i` of an answer; `reference` is a measured image that is compared with, or none. */
export function results(answer, run, table, i, reference) {
  const box = by('results');
  const [asked, measured, tolerance] = [answer.asked[i], answer.measured[i], answer.tolerance[i]];
  const passed = answer.within.filter(Boolean).length;
  const count = answer.within.length;
  const head = make('p', { className: 'verdict' },
    make('strong', { className: answer.within[i] ? 'pass' : 'fail' }, answer.within[i] ? '✓ within tolerance' : '✗ not within tolerance'),
    count > 1 ? ` sample ${i + 1}; ${passed} of ${count} samples within` : '', effort(answer.effort?.[i]));
  const parts = [head];
  const rows = [];
  for (const property of run.properties) {
    const columns = run.columns.slice(property.first, property.first + property.count);
    if (property.view === 'curve') {
      const lines = answer.measured.map((m) => ({ values: columns.map((c) => m[c.name]), className: 'measured other' }));
      lines.push({ values: columns.map((c) => measured[c.name]), className: 'measured' });
      if (reference) lines.push({ values: columns.map((c) => reference[c.name]), className: 'reference' });
      lines.push({ values: columns.map((c) => asked[c.name]), className: 'asked' });
      const band = table.band.slice(property.first, property.first + property.count).map(([low, , high]) => [low, high]);
      const errors = columns.map((c) => Math.abs(measured[c.name] - asked[c.name]));
      const mean = errors.reduce((sum, e) => sum + e, 0) / errors.length;
      parts.push(make('figure', { className: 'plot' },
        chart({ x: property.x, x_name: property.x_name, y_name: property.y_name, band, lines }),
        make('figcaption', {}, make('span', { className: 'key asked' }, 'asked'), make('span', { className: 'key measured' }, 'measured'),
          reference ? make('span', { className: 'key reference' }, 'your image') : null,
          make('span', { className: 'key band' }, 'nine in ten real images'),
          make('span', { className: 'sum' }, `off by ${show(mean, 2)} on average, ${show(Math.max(...errors), 2)} at most`))));
    } else {
      columns.forEach((column, k) => rows.push(row(column, asked, measured, tolerance, property.view === 'shares' ? run.palette[k] : null)));
    }
  }
  if (rows.length) {
    const titles = ['', 'asked', 'measured', 'off by', 'tolerance', ''];
    parts.push(make('table', {}, make('thead', {}, make('tr', {}, ...titles.map((t) => make('th', { scope: 'col' }, t)))),
      make('tbody', {}, ...rows)));
  }
  box.replaceChildren(...parts);
}

/** What closing took, in words. */
function effort(took) {
  if (!took) return '';
  const words = [`${took.passes} ${took.passes === 1 ? 'pass' : 'passes'}`];
  if (took.steps) words.push(`${took.steps} steps`);
  if (took.flips) words.push(`${took.flips} ${took.flips === 1 ? 'pixel' : 'pixels'} moved`);
  return `; ${words.join(', ')}`;
}

function row(column, asked, measured, tolerance, bar) {
  const { name, unit, turn } = column;
  let off = measured[name] === null ? NaN : measured[name] - asked[name];
  if (turn) off -= turn * Math.round(off / turn);
  const allowed = tolerance[name];
  const pass = allowed === null || Math.abs(off) <= allowed + 2.4e-7 * Math.abs(asked[name]);
  const cells = [asked[name], measured[name], off, allowed].map((v, i) => make('td', {}, show(v, i < 2 ? 4 : 2)));
  if (bar) {
    for (const [cell, value] of [[cells[0], asked[name]], [cells[1], measured[name]]]) {
      const strip = make('i', { className: 'strip' });
      vary(strip, { '--share': value ?? 0, '--swatch': bar });
      cell.append(strip);
    }
  }
  return make('tr', {}, make('th', { scope: 'row' }, name, unit ? make('small', {}, ` ${unit}`) : null), ...cells,
    make('td', { className: pass ? 'pass' : 'fail' }, pass ? '✓' : '✗'));
}
