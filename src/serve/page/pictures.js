// Class maps on canvases, each with what is said of it.

import { bytes } from './api.js';
import { by, draw, make, vary } from './dom.js';
import { overlay } from './figures.js';

/** The colours of classes, each as the four bytes of a pixel. */
function colours(palette) {
  const parts = palette.flatMap((text) => [...[1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)), 255]);
  return new Uint32Array(Uint8Array.from(parts).buffer);
}

/** Draws a class map, `times` across and down, one canvas pixel a pixel. */
export function paint(canvas, map, [h, w], palette, times = 1) {
  // Setting a size, the same even, takes a canvas new memory.
  if (canvas.width !== w * times) canvas.width = w * times;
  if (canvas.height !== h * times) canvas.height = h * times;
  const context = canvas.getContext('2d');
  const image = context.createImageData(w, h);
  const [words, pixels] = [colours(palette), new Uint32Array(image.data.buffer)];
  for (let i = 0; i < pixels.length; i += 1) pixels[i] = words[map[i]];
  for (let row = 0; row < times; row += 1) {
    for (let column = 0; column < times; column += 1) context.putImageData(image, column * w, row * h);
  }
}

/** Shows samples: `answer` of the server, of a run, as `state` wants it; `select` is told a number. */
export function pictures(answer, run, state, { select, change }) {
  const box = by('pictures');
  const [h, w] = answer.size;
  const maps = bytes(answer.maps);
  const count = maps.length / (h * w);
  const across = Math.ceil(Math.sqrt(count));
  vary(box, { '--across': across, '--ratio': w / h });
  while (box.children.length > count) box.lastChild.remove();
  for (let i = 0; i < count; i += 1) {
    const shown = box.children[i] ?? box.appendChild(frame(i));
    const map = maps.subarray(i * h * w, (i + 1) * h * w);
    const times = state.tiled ? 3 : 1;
    paint(shown.canvas, map, [h, w], run.palette, times);
    const within = answer.within[i];
    shown.root.classList.toggle('chosen', i === state.selected && count > 1);
    // It is about to be closed: no verdict yet.
    const waits = state.closed && !answer.closed && !within;
    const words = waits ? ['…', ' closing'] : within ? ['✓', ' within'] : ['✗', ' not within'];
    shown.mark.replaceChildren(words[0], make('span', { className: 'word' }, words[1]));
    shown.mark.className = waits ? 'score' : within ? 'pass' : 'fail';
    const score = answer.score?.[i];
    shown.score.textContent = score === undefined ? '' : `critic ${score.toFixed(1)}`;
    shown.canvas.setAttribute('aria-label', `Sample ${i + 1} of ${count}, ${within ? 'within' : 'not within'} tolerance`);
    shown.onselect = () => select(i);
    shown.onenlarge = () => enlarge(map, [h, w], run, `Sample ${i + 1}, seed ${answer.seed}`);
    const figures = times === 1 ? answer.asked[i] : null;
    overlay(shown.overlay, figures, run, [h, w], { change, focusable: i === 0 });
  }
}

/** What shows one sample. */
function frame(number) {
  const canvas = make('canvas', { role: 'img' });
  const layer = draw('svg', { class: 'overlay' });
  const mark = make('span');
  const score = make('span', { className: 'score', title: 'The critic: larger is more like real images of this run' });
  const large = make('button', { className: 'quiet', title: 'Enlarge to pixels', 'aria-label': `Enlarge sample ${number + 1}` }, '⤢');
  const root = make('figure', { className: 'sample' }, make('div', { className: 'stage' }, canvas, layer),
    make('figcaption', {}, mark, score, large));
  // Its parts are kept on the element: there is one for each sample, and samples come fast.
  Object.assign(root, { root, canvas, overlay: layer, mark, score });
  canvas.addEventListener('click', () => root.onselect());
  root.querySelector('figcaption').addEventListener('click', (event) => {
    if (event.target !== large) root.onselect();
  });
  large.addEventListener('click', () => root.onenlarge());
  return root;
}

/** One sample, large enough to count pixels. */
function enlarge(map, [h, w], run, title) {
  const dialog = by('enlarged');
  const canvas = make('canvas', { className: 'pixels', role: 'img', 'aria-label': title });
  const where = make('output', {}, 'Point at a pixel.');
  const close = make('button', { onclick: () => dialog.close() }, 'Close');
  const stage = make('div', { className: 'stage grid' }, canvas);
  vary(stage, { '--w': w, '--h': h });
  dialog.replaceChildren(make('div', { className: 'title' }, make('h2', {}, title), close), stage, where);
  paint(canvas, map, [h, w], run.palette);
  canvas.addEventListener('pointermove', (event) => {
    const box = canvas.getBoundingClientRect();
    const x = Math.floor((event.clientX - box.left) / box.width * w);
    const y = Math.floor((event.clientY - box.top) / box.height * h);
    if (x >= 0 && y >= 0 && x < w && y < h) where.textContent = `x ${x}, y ${y}: class ${map[y * w + x]}`;
  });
  dialog.showModal();
}
