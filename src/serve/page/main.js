// The page: what is asked for is one object, every control changes it, every answer shows it.

import { get, newest, post } from './api.js';
import { by, make } from './dom.js';
import { controls } from './controls.js';
import { imageControls } from './image.js';
import { pictures } from './pictures.js';
import { results } from './results.js';
import { take } from './take.js';
import { tolerances, withinText } from './within.js';
import { follow, stop } from './training.js';

/** Names this page to the server: of its requests the newest wins. */
const PAGE = Math.random().toString(36).slice(2, 12);

const state = { run: null, target: {}, seed: 0, count: 4, size: null, closed: true, within: {}, tiled: false, selected: 0, view: 'explore' };
let catalog = null;
let table = null;
let answer = null;
let reference = null;
let showTarget = () => {};

const request = (closed = state.closed) => ({
  run: state.run.name, target: state.target, count: state.count, seed: state.seed,
  ...(state.size ? { size: state.size } : {}), within: withinText(state.within) || true, closed,
});

function tell(text, error = null) {
  by('problem').hidden = !error;
  by('problem').textContent = error ? error.message : '';
  if (text) by('status').textContent = text;
}

/** A slider that moves is answered by the generator alone where closing takes longer than this, in ms. */
const SLOW = 40;
const SETTLED = 180;
let closing = Infinity;
let settling = null;

const send = newest(async (closed, signal) => {
  const begun = performance.now();
  try {
    const fresh = await post('api/sample', { ...request(closed), page: PAGE }, signal);
    if (fresh.run !== state.run.name) return;
    answer = fresh;
  } catch (error) {
    if (error.status === 429 || error.name === 'AbortError') return;
    tell(null, error);
    return;
  }
  show();
  const time = performance.now() - begun;
  if (closed) closing = time;
  const ended = answer.ended ? ': time was over, these are the nearest so far' : '';
  tell(`${state.count} ${state.count === 1 ? 'sample' : 'samples'} in ${time.toFixed(0)} ms${ended}`);
  const { dataset } = document.documentElement;
  dataset.answered = String(Number(dataset.answered ?? 0) + 1);
  if (dataset.answered === '1') performance.mark('first');
}, (busy) => {
  if (busy) document.documentElement.dataset.waiting = '';
  else if (!settling) delete document.documentElement.dataset.waiting;
  // Who waits for samples to be closed does not wait for those of a slider's place before.
}, (closed) => closed && closing >= SLOW);

/** Asks for what the state says: at once, and where that is slow closed when the sliders rest. */
function ask() {
  clearTimeout(settling);
  settling = null;
  if (!state.closed || closing < SLOW) return send(state.closed);
  settling = setTimeout(() => {
    settling = null;
    send(true);
  }, SETTLED);
  return send(false);
}

function show() {
  state.selected = Math.min(state.selected, answer.within.length - 1);
  pictures(answer, state.run, state, { select: (i) => { state.selected = i; show(); }, change });
  results(answer, state.run, table, state.selected, reference);
  by('command').textContent = answer.command;
}

/** Takes over numbers that are asked for. */
function change(values) {
  Object.assign(state.target, values);
  showTarget(state.target);
  share();
  ask();
  return state.target;
}

/** The link: everything that a look at this page depends on. */
function share() {
  const target = Object.entries(state.target).map(([name, value]) => `${name}:${Number(value.toPrecision(6))}`).join(',');
  const words = { run: state.run.name, seed: state.seed, count: state.count, target };
  if (state.size) words.size = state.size.join('x');
  if (!state.closed) words.closed = 0;
  const within = withinText(state.within);
  if (within) words.within = within;
  if (state.tiled) words.tiled = 1;
  if (state.view !== 'explore') words.view = state.view;
  const hash = Object.entries(words).map(([k, v]) => `${k}=${encodeURIComponent(v).replaceAll('%3A', ':').replaceAll('%2C', ',')}`).join('&');
  history.replaceState(null, '', `#${hash}`);
  by('link').textContent = location.href;
}

/** What a link says. */
function linked() {
  const words = new URLSearchParams(location.hash.slice(1));
  const whole = (name, low, high) => {
    const value = Number(words.get(name));
    return words.has(name) && Number.isInteger(value) && value >= low && value <= high ? value : null;
  };
  state.seed = whole('seed', 0, 2 ** 32 - 1) ?? state.seed;
  state.count = [1, 4, 16].find((n) => n === whole('count', 1, 16)) ?? state.count;
  state.closed = words.get('closed') !== '0';
  state.tiled = words.get('tiled') === '1';
  state.within = {};
  for (const part of (words.get('within') ?? '').split(',')) {
    const [name, value] = part.split('=');
    if (name && value) state.within[name] = value;
  }
  if (words.get('view') === 'training') state.view = 'training';
  const size = /^(\d+)x(\d+)$/.exec(words.get('size') ?? '');
  const target = {};
  for (const part of (words.get('target') ?? '').split(',')) {
    const [name, value] = part.split(':');
    if (name && Number.isFinite(Number(value))) target[name] = Number(value);
  }
  return { run: words.get('run'), target, size: size && [Number(size[1]), Number(size[2])] };
}

/** Numbers of a real image, for what a link leaves open. */
function start(run, given) {
  const target = {};
  run.columns.forEach((column, i) => { target[column.name] = given[column.name] ?? run.start[i]; });
  return target;
}

async function choose(run, given = {}, size = null) {
  Object.assign(state, { run, target: start(run, given), size, selected: 0 });
  reference = null;
  answer = null;
  closing = Infinity;
  by('run').value = run.name;
  document.title = `${run.name} · invnet`;
  sizes(run);
  share();
  const wanted = ask();
  table = { names: run.columns.map((c) => c.name), rows: [run.start], band: run.columns.map((c) => [c.low, c.low, c.high]) };
  const draw = () => {
    showTarget = controls(run, table, change);
    by('controls').append(tolerances(run, state.within, () => { share(); ask(); }));
    if (!run.figures) by('controls').append(imageControls(run, image, tell));
    showTarget(state.target);
  };
  const known = get(`api/runs/${encodeURIComponent(run.name)}/table`);
  // Curves are chosen among those of the table.
  if (!run.properties.some((p) => p.view === 'curve')) draw();
  try {
    const fresh = await known;
    if (state.run !== run) return;
    table = fresh;
  } catch (error) { tell(null, error); }
  if (run.properties.some((p) => p.view === 'curve')) draw();
  await wanted;
  if (answer) show();
  if (state.view === 'training') follow(run.name);
}

function image(measured) {
  reference = measured;
  if (!measured) {
    if (answer) show();
    return;
  }
  change(Object.fromEntries(Object.entries(measured).filter(([, v]) => v !== null)));
}

/** Sizes beside that of the training, of a run that makes any. */
function sizes(run) {
  by('sizes').hidden = !run.step;
  const [h, w] = run.size;
  const all = [1, 1.5, 2, 3, 4].map((k) => [h, w].map((n) => Math.round(n * k / (run.step ?? 1)) * (run.step ?? 1)));
  const fits = all.filter(([a, b]) => a * b * state.count <= catalog.limits.pixels);
  by('size').replaceChildren(...fits.map((s) => make('option', { value: s.join('x') }, s.join(' × '))));
  if (state.size && fits.some((s) => String(s) === String(state.size))) by('size').value = state.size.join('x');
  else state.size = null;
}

function setView(view) {
  state.view = view;
  for (const name of ['explore', 'training']) {
    by(name).hidden = name !== view;
    by(`show-${name}`).setAttribute('aria-pressed', String(name === view));
  }
  if (view === 'training') follow(state.run.name);
  else stop();
  share();
}

function wire() {
  const again = () => { share(); ask(); };
  const draw = () => {
    state.seed = (state.seed + 1) % 2 ** 32;
    by('seed').value = state.seed;
    again();
  };
  by('draw').addEventListener('click', draw);
  document.addEventListener('keydown', (event) => {
    const typing = event.target.matches('input[type=number], select, textarea');
    if (event.key === 'n' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) draw();
  });
  by('seed').value = state.seed;
  by('seed').addEventListener('input', () => {
    const seed = by('seed').valueAsNumber;
    if (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32) {
      state.seed = seed;
      again();
    }
  });
  for (const input of document.querySelectorAll('[name=count]')) {
    input.checked = Number(input.value) === state.count;
    input.addEventListener('change', () => {
      state.count = Number(input.value);
      sizes(state.run);
      again();
    });
  }
  by('closed').checked = state.closed;
  by('closed').addEventListener('change', () => { state.closed = by('closed').checked; again(); });
  by('tiled').checked = state.tiled;
  by('tiled').addEventListener('change', () => { state.tiled = by('tiled').checked; share(); if (answer) show(); });
  by('size').addEventListener('change', () => {
    const size = by('size').value.split('x').map(Number);
    state.size = String(size) === String(state.run.size) ? null : size;
    again();
  });
  by('typical').addEventListener('click', () => {
    const row = table.rows[Math.floor(Math.random() * table.rows.length)];
    change(Object.fromEntries(table.names.map((name, i) => [name, row[i]])));
  });
  by('run').addEventListener('change', () => {
    state.within = {};
    choose(catalog.runs.find((run) => run.name === by('run').value));
  });
  by('show-explore').addEventListener('click', () => setView('explore'));
  by('show-training').addEventListener('click', () => setView('training'));
  window.addEventListener('dragover', (event) => event.preventDefault());
  window.addEventListener('drop', (event) => event.preventDefault());
  take(request, tell);
}

/** Light, dark, or as the system is. */
function theme() {
  const themes = ['auto', 'light', 'dark'];
  const set = (name) => {
    document.documentElement.dataset.theme = name;
    by('theme').textContent = { auto: '◐ Auto', light: '○ Light', dark: '● Dark' }[name];
    localStorage.setItem('invnet-theme', name);
  };
  set(themes.includes(localStorage.getItem('invnet-theme')) ? localStorage.getItem('invnet-theme') : 'auto');
  by('theme').addEventListener('click', () => {
    set(themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length]);
  });
}

theme();
try {
  catalog = await get('api/runs');
  const link = linked();
  by('run').replaceChildren(...catalog.runs.map((run) => make('option', { value: run.name }, run.name)));
  wire();
  const run = catalog.runs.find((r) => r.name === link.run) ?? catalog.runs[0];
  if (run.name !== link.run) state.within = {};
  const chosen = choose(run, run.name === link.run ? link.target : {}, link.size);
  if (state.view === 'training') setView('training');
  await chosen;
} catch (error) {
  tell(null, error);
}
