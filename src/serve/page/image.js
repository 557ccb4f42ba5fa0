// An image of one's own: dropped, thresholded here, measured there; its numbers become the target.

import { base64, newest, post } from './api.js';
import { make } from './dom.js';
import { paint } from './pictures.js';
import { slider } from './controls.js';

/** Longest side at which an image is measured. */
const MOST = 512;

/** The place for an image; `use` is told measured numbers by name, or null. */
export function imageControls(run, use, told) {
  const classes = run.classes;
  const canvas = make('canvas', { className: 'preview', hidden: true, role: 'img', 'aria-label': 'Your image as classes' });
  const input = make('input', { type: 'file', accept: 'image/*', id: 'image', className: 'away' });
  const inverted = make('input', { type: 'checkbox', id: 'inverted' });
  const forget = make('button', { className: 'quiet', hidden: true }, 'Forget');
  const more = make('div', { hidden: true });
  const root = make('div', { className: 'drop', id: 'drop' },
    make('label', { htmlFor: 'image', className: 'button' }, 'Choose an image'), ' or drop one here: its numbers become the target.',
    input, more, canvas);
  let grey = null;
  let size = null;
  let threshold = 128;
  const control = slider({ id: 'threshold', label: 'threshold', low: 0, high: 255, step: 1 }, (value) => {
    threshold = value;
    ask();
  });
  more.append(control.root, make('label', { className: 'field' }, inverted, ' inverted'), ' ', forget);
  if (classes > 2) {
    control.root.hidden = true;
  }
  inverted.addEventListener('change', () => ask());
  const measure = newest(async (maps) => {
    try {
      const answer = await post('api/measure', { run: run.name, size, maps: base64(maps) });
      use(answer.measured[0]);
    } catch (error) { told(null, error); }
  });
  function ask() {
    const maps = classify(grey, classes, threshold, inverted.checked);
    paint(canvas, maps, size, run.palette);
    measure(maps);
  }
  async function take(file) {
    if (!file) return;
    try {
      ({ grey, size } = await read(file));
    } catch {
      told(null, new Error(`${file.name}: is no image that this browser reads; invnet data import reads more`));
      return;
    }
    threshold = otsu(grey);
    control.set(threshold);
    for (const part of [more, canvas, forget]) part.hidden = false;
    ask();
  }
  input.addEventListener('change', () => take(input.files[0]));
  forget.addEventListener('click', () => {
    for (const part of [more, canvas, forget]) part.hidden = true;
    input.value = '';
    use(null);
  });
  for (const kind of ['dragover', 'dragenter']) {
    root.addEventListener(kind, (event) => {
      event.preventDefault();
      root.classList.add('over');
    });
  }
  root.addEventListener('dragleave', () => root.classList.remove('over'));
  root.addEventListener('drop', (event) => {
    event.preventDefault();
    root.classList.remove('over');
    take(event.dataTransfer.files[0]);
  });
  return root;
}

/** Grey levels of an image file, at most MOST pixels a side, at its own scale if it is small. */
async function read(file) {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, MOST / Math.max(image.width, image.height));
  const [w, h] = [image.width, image.height].map((n) => Math.max(1, Math.round(n * scale)));
  const canvas = make('canvas', { width: w, height: h });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(image, 0, 0, w, h);
  const { data } = context.getImageData(0, 0, w, h);
  const grey = new Uint8Array(w * h);
  for (let i = 0; i < grey.length; i += 1) {
    grey[i] = Math.round(0.2126 * data[4 * i] + 0.7152 * data[4 * i + 1] + 0.0722 * data[4 * i + 2]);
  }
  return { grey, size: [h, w] };
}

/** Classes of grey levels: by a threshold, or, of more than two, one for each of equally many pixels. */
function classify(grey, classes, threshold, inverted) {
  let maps;
  if (classes === 2) {
    maps = grey.map((v) => (v >= threshold ? 1 : 0));
  } else {
    const levels = [...new Set(grey)].sort((a, b) => a - b);
    if (levels.length <= classes) maps = grey.map((v) => levels.indexOf(v));
    else {
      const sorted = grey.slice().sort();
      const cuts = Array.from({ length: classes - 1 }, (_, i) => sorted[Math.floor((i + 1) * sorted.length / classes)]);
      maps = grey.map((v) => cuts.filter((cut) => v >= cut).length);
    }
  }
  return inverted ? maps.map((v) => classes - 1 - v) : maps;
}

/** The threshold between the two groups of grey levels that differ most (Otsu 1979). */
function otsu(grey) {
  const counts = new Float64Array(256);
  for (const v of grey) counts[v] += 1;
  const total = grey.length;
  const sum = counts.reduce((s, n, v) => s + n * v, 0);
  let [below, belowSum, best, at] = [0, 0, -1, 128];
  for (let t = 0; t < 255; t += 1) {
    below += counts[t];
    belowSum += t * counts[t];
    if (below === 0 || below === total) continue;
    const between = (sum * below / total - belowSum) ** 2 / (below * (total - below));
    if (between > best) [best, at] = [between, t + 1];
  }
  return at;
}
