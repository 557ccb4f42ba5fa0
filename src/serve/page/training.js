// A run as it trains: looked at, never touched.

import { get, picture } from './api.js';
import { by, make, show } from './dom.js';
import { chart } from './curve.js';

const EVERY = 2000;
let timer = null;
let shown = null;
let address = null;

/** Follows a run from now on. */
export function follow(run) {
  stop();
  shown = null;
  by('history').replaceChildren();
  look(run);
  timer = setInterval(() => look(run), EVERY);
}

/** Follows no run. */
export function stop() {
  clearInterval(timer);
  timer = null;
}

const words = {
  wasserstein: 'Wasserstein estimate', gradient_penalty: 'gradient penalty', invariance_loss: 'invariance loss',
};

async function look(run) {
  let log;
  try {
    log = await get(`api/runs/${encodeURIComponent(run)}/training`);
  } catch (error) {
    by('progress').replaceChildren(make('p', { className: 'warn' }, error.message));
    return;
  }
  progress(log);
  losses(log);
  history(run, log.pictures);
}

function time(seconds) {
  const s = Math.round(seconds);
  if (s < 90) return `${s} s`;
  return s < 5400 ? `${Math.round(s / 60)} min` : `${Math.floor(s / 3600)} h ${Math.round(s % 3600 / 60)} min`;
}

function progress(log) {
  const done = log.iteration >= log.iterations;
  const state = log.running ? `training, ${log.left === null ? '' : `${time(log.left)} left`}` : done ? 'complete' : 'stands still';
  by('progress').replaceChildren(
    make('progress', { max: log.iterations, value: log.iteration, 'aria-label': 'iterations done' }),
    make('p', {}, make('strong', {}, state), ` iteration ${log.iteration} of ${log.iterations}, after ${time(log.seconds)}`),
    make('p', { className: 'hint' }, 'This page only looks: it cannot stop, extend or change a run.'));
}

function losses(log) {
  const box = by('losses');
  if (log.at.length < 2) {
    box.replaceChildren(make('p', { className: 'hint' }, 'There is no log beside this checkpoint yet.'));
    return;
  }
  box.replaceChildren(...Object.entries(log.losses).map(([name, values]) => {
    const positive = values.every((v) => v === null || v > 0);
    const last = values[values.length - 1];
    return make('figure', { className: 'plot' }, make('figcaption', {}, make('strong', {}, words[name] ?? name.replaceAll('_', ' ')),
      make('span', { className: 'sum' }, `now ${show(last, 3)}${positive ? ', logarithmic' : ''}`)),
    chart({ x: log.at, x_name: 'iteration', y_name: name, lines: [{ values, className: 'measured' }], logarithmic: positive }));
  }));
}

async function history(run, pictures) {
  const box = by('history');
  if (!pictures.length) {
    box.replaceChildren(make('p', { className: 'hint' }, 'No picture yet: a run draws one every sample_every iterations.'));
    return;
  }
  let range = box.querySelector('input');
  const newest = pictures.length - 1;
  if (!range) {
    range = make('input', { type: 'range', min: 0, step: 1, 'aria-label': 'Iteration of the picture' });
    range.max = newest;
    range.value = newest;
    range.addEventListener('input', () => view(run, range.pictures[range.value]));
    box.replaceChildren(make('div', { className: 'row' }, range, make('output', {})), make('img', { alt: 'Samples, with what was asked' }));
  }
  // Who looks at the newest goes on with the newest.
  const last = Number(range.value) === Number(range.max);
  range.max = newest;
  range.pictures = pictures;
  if (last) range.value = newest;
  await view(run, pictures[range.value]);
}

async function view(run, iteration) {
  if (shown === iteration) return;
  shown = iteration;
  const box = by('history');
  box.querySelector('output').textContent = `iteration ${iteration}`;
  const fresh = await picture(`api/runs/${encodeURIComponent(run)}/training/${iteration}`);
  if (shown !== iteration) return;
  if (address) URL.revokeObjectURL(address);
  address = fresh;
  box.querySelector('img').src = fresh;
}
