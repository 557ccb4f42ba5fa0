// Elements in one call, and numbers as people read them.

const SVG = 'http://www.w3.org/2000/svg';

/** The element of an id. */
export const by = (id) => document.getElementById(id);

/** An HTML element: properties and attributes, then children. */
export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(given)) {
    if (key in element && !key.startsWith('aria')) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An SVG element. */
export function draw(tag, given = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(given)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** A number in at most `digits` significant digits. */
export function show(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e6) return value.toExponential(2);
  return String(Number(value.toPrecision(digits)));
}

/** Sets a style variable: inline styles in markup are not allowed, this is. */
export function vary(element, values) {
  for (const [name, value] of Object.entries(values)) element.style.setProperty(name, value);
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Puts text on the clipboard, and says so on the button. */
export async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Not every page may: the old way needs a selection.
    const area = make('textarea', { value: text });
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  button.textContent = 'Copied';
  setTimeout(() => { button.textContent = before; }, 1200);
}

/** The colour of a style variable. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
