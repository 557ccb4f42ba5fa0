// Files, the command line and the link.

import { keep } from './api.js';
import { by, copy, make } from './dom.js';

const FORMATS = [
  ['png', 'PNG', 'Images, classes as colours'], ['tiff', 'TIFF', 'One file, a page a sample'],
  ['npy', 'npy', 'NumPy array [N, H, W]'], ['npz', 'npz', 'Archive, as invnet data reads it'],
  ['vti', 'VTI', 'For ParaView'], ['hdf5', 'HDF5', 'Arrays'], ['dream3d', 'DREAM.3D', 'Image geometry'],
  ['csv', 'CSV', 'Asked and measured, a row a sample'], ['json', 'JSON', 'Everything that regenerates it'],
];

/** Buttons that keep files; `request` gives what to ask for, `told` takes a line. */
export function take(request, told) {
  by('files').replaceChildren(...FORMATS.map(([format, label, title]) => {
    const button = make('button', { title, id: `take-${format}` }, label);
    button.addEventListener('click', async () => {
      button.disabled = true;
      try {
        told(`${await keep(`api/files/${format}`, request())} is in your downloads`);
      } catch (error) {
        told(null, error);
      }
      button.disabled = false;
    });
    return button;
  }));
  by('copy-command').onclick = (e) => copy(by('command').textContent, e.target);
  by('copy-link').onclick = (e) => copy(by('link').textContent, e.target);
}
