// Discs and squares that are asked for, over the picture: dragged by centre and rim, or by arrow keys.

import { clamp, draw } from './dom.js';

/** The figures that numbers ask for, in pixels; none where a run asks for none. */
export function figures(asked, run) {
  if (!run.figures) return [];
  return run.figures.map((kind, i) => {
    const n = i + 1;
    const area = asked[`area${n}`];
    const own = area === undefined ? asked[`r${n}`] ?? asked[`side${n}`]
      : kind === 'disc' ? Math.sqrt(area / Math.PI) : Math.sqrt(area) / 2;
    return { kind, n, x: asked[`cx${n}`], y: asked[`cy${n}`], r: own };
  }).filter((f) => [f.x, f.y, f.r].every(Number.isFinite));
}

/** The numbers of a figure that has another radius (half a side). */
function sized(run, { kind, n }, r) {
  const has = (name) => run.columns.some((c) => c.name === name);
  if (has(`area${n}`)) return { [`area${n}`]: kind === 'disc' ? Math.PI * r * r : 4 * r * r };
  return { [has(`r${n}`) ? `r${n}` : `side${n}`]: r };
}

function outline({ kind, x, y, r }, given) {
  return kind === 'disc' ? draw('circle', { cx: x, cy: y, r, ...given })
    : draw('rect', { x: x - r, y: y - r, width: 2 * r, height: 2 * r, ...given });
}

/** Draws outlines and handles over one sample; `change` takes numbers by name and
 * returns all that are asked for. */
export function overlay(layer, asked, run, [h, w], { change, focusable }) {
  // One that is being dragged stays: its element holds the pointer.
  if (layer.dragging) {
    layer.dragging(asked);
    return;
  }
  layer.setAttribute('viewBox', `-0.5 -0.5 ${w} ${h}`);
  const focused = layer.contains(document.activeElement) ? document.activeElement.dataset.handle : null;
  layer.replaceChildren();
  for (const figure of asked ? figures(asked, run) : []) {
    const parts = { pale: outline(figure, { class: 'pale' }), dark: outline(figure, { class: 'dark' }) };
    const rim = outline(figure, { class: 'rim' });
    const centre = draw('circle', { cx: figure.x, cy: figure.y, r: Math.max(w, h) / 40, class: 'centre' });
    handle(centre, `centre${figure.n}`, `Centre of figure ${figure.n}`, focusable);
    handle(rim, `rim${figure.n}`, `Size of figure ${figure.n}`, focusable);
    layer.append(parts.pale, parts.dark, rim, centre);
    const move = (x, y) => change({
      [`cx${figure.n}`]: clamp(x, 0, w - 1), [`cy${figure.n}`]: clamp(y, 0, h - 1),
    });
    const size = (r) => change(sized(run, figure, clamp(r, 0.5, Math.max(w, h) / 2)));
    drag(centre, layer, run, figure, move);
    drag(rim, layer, run, figure, (x, y) => {
      const [dx, dy] = [Math.abs(x - figure.x), Math.abs(y - figure.y)];
      return size(figure.kind === 'disc' ? Math.hypot(dx, dy) : Math.max(dx, dy));
    });
    // The next key may come before the answer to this one.
    const now = (target) => Object.assign(figure, figures(target, run).find((f) => f.n === figure.n));
    centre.addEventListener('keydown', (event) => arrows(event, (dx, dy) => now(move(figure.x + dx, figure.y + dy))));
    rim.addEventListener('keydown', (event) => arrows(event, (dx, dy) => now(size(figure.r + dx - dy))));
  }
  if (focused) layer.querySelector(`[data-handle="${focused}"]`)?.focus();
}

function handle(element, name, label, focusable) {
  element.dataset.handle = name;
  element.setAttribute('role', 'button');
  element.setAttribute('aria-label', `${label}: drag, or arrow keys`);
  if (focusable) element.setAttribute('tabindex', '0');
}

function arrows(event, act) {
  const step = event.shiftKey ? 0.1 : 1;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  if (!moves[event.key]) return;
  event.preventDefault();
  act(...moves[event.key]);
}

/** Follows the pointer from `element` on; `act` is told where it is, in pixels. `figure` is kept as it now is. */
function drag(element, layer, run, figure, act) {
  // Sets the outlines where the numbers are, without new elements.
  const follow = (asked) => {
    for (const [i, fresh] of (asked ? figures(asked, run) : []).entries()) {
      if (fresh.n === figure.n) Object.assign(figure, fresh);
      const [pale, dark, rim, centre] = [0, 1, 2, 3].map((k) => layer.children[4 * i + k]);
      for (const shape of [pale, dark, rim]) {
        for (const { name, value } of outline(fresh, {}).attributes) shape.setAttribute(name, value);
      }
      centre.setAttribute('cx', fresh.x);
      centre.setAttribute('cy', fresh.y);
    }
  };
  element.addEventListener('pointerdown', (event) => {
    event.preventDefault();
    element.focus();
    element.setPointerCapture(event.pointerId);
    layer.dragging = follow;
    const moved = (e) => {
      const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(layer.getScreenCTM().inverse());
      follow(act(p.x, p.y));
    };
    const done = () => {
      layer.dragging = null;
      element.removeEventListener('pointermove', moved);
    };
    element.addEventListener('pointermove', moved);
    element.addEventListener('pointerup', done, { once: true });
    element.addEventListener('pointercancel', done, { once: true });
  });
}
