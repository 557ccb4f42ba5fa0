// How near samples must come to what is asked: as usual, or a number or a share of one's own for each property.

import { make } from './dom.js';

/** Tolerances as a request has them: name=number or name=number%, with commas between. */
export const withinText = (within) => Object.entries(within).map(([name, value]) => `${name}=${value}`).join(',');

/** A box for each property; `within` holds what is given, by name; `changed` is told that it is another. */
export function tolerances(run, within, changed) {
  const boxes = run.properties.map((property) => {
    const units = new Set(run.columns.slice(property.first, property.first + property.count).map((c) => c.unit));
    const box = make('input', {
      type: 'text', inputMode: 'decimal', id: `within-${property.name}`, placeholder: 'usual', autocomplete: 'off',
      value: within[property.name] ?? '', 'aria-label': `Tolerance of ${property.name}`,
    });
    box.addEventListener('input', () => {
      const text = box.value.trim().replace(',', '.');
      const number = Number(text.replace(/\s*%$/, ''));
      const wrong = text !== '' && !(number > 0 && number < Infinity);
      box.setAttribute('aria-invalid', String(wrong));
      if (wrong) return;
      if (text) within[property.name] = text;
      else delete within[property.name];
      changed();
    });
    const unit = units.size === 1 ? [...units][0] : '';
    return make('label', { className: 'tolerance' }, make('span', {}, property.name), box, make('span', { className: 'unit' }, unit));
  });
  return make('details', { className: 'tolerances', open: Object.keys(within).length > 0 }, make('summary', {}, 'Tolerances'), ...boxes,
    make('p', { className: 'hint' }, 'How far a sample may be off: a number, or a share such as 1%. Empty: as near as is usual.'));
}
