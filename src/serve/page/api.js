// Requests to the server that this page is from.

const KEY = 'invnet-token';
const hash = new URLSearchParams(location.hash.slice(1));
if (hash.has('token')) {
  sessionStorage.setItem(KEY, hash.get('token'));
  hash.delete('token');
  // Nobody should find it in a link that is shared.
  history.replaceState(null, '', `#${hash}`);
}

function headers(extra = {}) {
  const token = sessionStorage.getItem(KEY);
  return token ? { ...extra, Authorization: `Bearer ${token}` } : extra;
}

async function checked(response) {
  if (response.ok) return response;
  let problem = `${response.status} ${response.statusText}`;
  try { problem = (await response.json()).error ?? problem; } catch { /* It was no JSON. */ }
  const error = new Error(problem);
  error.status = response.status;
  throw error;
}

async function send(path, options) {
  try {
    return await checked(await fetch(path, options));
  } catch (error) {
    if (error instanceof TypeError) throw new Error('The server does not answer: is it still running?');
    throw error;
  }
}

/** The JSON at a path. */
export async function get(path) {
  return (await send(path, { headers: headers() })).json();
}

/** A picture at a path, as an address for an image. */
export async function picture(path) {
  return URL.createObjectURL(await (await send(path, { headers: headers() })).blob());
}

async function posted(path, body, signal) {
  const options = { method: 'POST', headers: headers({ 'Content-Type': 'application/json' }), signal };
  return send(path, { ...options, body: JSON.stringify(body) });
}

/** The JSON that answers a body; `signal` calls it off. */
export async function post(path, body, signal) {
  return (await posted(path, body, signal)).json();
}

/** Keeps the file that answers a body. */
export async function keep(path, body) {
  const response = await posted(path, body);
  const name = /filename="(.+)"/.exec(response.headers.get('Content-Disposition') ?? '')?.[1] ?? 'samples';
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement('a');
  Object.assign(link, { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  return name;
}

/** Calls `work` with the newest argument and a signal: one call at a time, what is overtaken is dropped, and the
 * call under way is called off if it is one that `yields`. `told` hears whether there is work. */
export function newest(work, told = () => {}, yields = () => false) {
  let busy = null;
  let waiting = null;
  return async (argument) => {
    waiting = { argument };
    if (busy) {
      if (yields(busy.argument)) busy.abort();
      return;
    }
    told(true);
    while (waiting) {
      const next = waiting.argument;
      waiting = null;
      const control = new AbortController();
      busy = { argument: next, abort: () => control.abort() };
      await work(next, control.signal);
    }
    busy = null;
    told(false);
  };
}

/** Bytes of a text in base64. */
export function bytes(text) {
  const raw = atob(text);
  const result = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) result[i] = raw.charCodeAt(i);
  return result;
}

/** Bytes as a text in base64. */
export function base64(array) {
  let raw = '';
  for (let i = 0; i < array.length; i += 8192) raw += String.fromCharCode(...array.subarray(i, i + 8192));
  return btoa(raw);
}
