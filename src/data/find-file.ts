/** Files that a table names, found where they lie here: tables come from other systems and other machines. */
import { basename, extname, resolve } from 'node:path';
import { imagesBelow, kindOf, relativeId } from './files.ts';
import { saysMask } from './masks.ts';

const isAbsoluteAnywhere = (name: string): boolean => /^([a-z]:)?[\\/]|^file:\/\//i.test(name);
const partsOf = (name: string): string[] =>
  name
    .replace(/^file:\/\//i, '')
    .split(/[\\/]+/)
    .filter((part) => part !== '' && part !== '.');
const key = (path: string): string => path.normalize('NFC').toLowerCase();

/** The first folders that all absolute names share: those of another machine. */
function commonFolders(names: readonly string[]): number {
  const [first, ...others] = names.filter(isAbsoluteAnywhere).map((name) => partsOf(name).slice(0, -1));
  if (first === undefined) return 0;
  return others.reduce((common, parts) => {
    let same = 0;
    while (same < common && parts[same] === first[same]) same++;
    return same;
  }, first.length);
}

export class FileFinder {
  /** How many files were found by other means than their path as it stands. */
  searched = 0;
  private readonly folder: string;
  private readonly common: number;
  /** images below the folder by every ending of their path, with and without the extension */
  private index: Map<string, string[]> | undefined;

  /** @param names all that the table names */
  constructor(folder: string, names: readonly string[]) {
    this.folder = folder;
    this.common = commonFolders(names);
  }

  /**
   * The file of a name: as it stands; with Windows' separators; the path of another machine less the folders that all
   * names share; else the image below the folder whose path ends so, whatever its letters' case and with or without its
   * extension.
   * @returns the file, or all that it could be
   */
  async find(name: string): Promise<string | readonly string[]> {
    const direct = resolve(this.folder, name);
    if ((await kindOf(direct)) === 'file') return direct;
    const parts = partsOf(name);
    if (!isAbsoluteAnywhere(name)) {
      const turned = resolve(this.folder, parts.join('/'));
      if (turned !== direct && (await kindOf(turned)) === 'file') return turned;
      return await this.search([parts]);
    }
    // The fewest folders dropped first: what is kept tells files of one name apart.
    return await this.search(Array.from({ length: this.common + 1 }, (_, dropped) => parts.slice(dropped)));
  }

  /** The name of a file that is the same number, with other zeros before it: `0007.png` for `7`. */
  async sameNumber(name: string): Promise<string | undefined> {
    const wanted = /^0*(\d+)(\.\w+)?$/.exec(partsOf(name).at(-1) ?? '');
    if (wanted === null) return undefined;
    this.index ??= await this.indexed();
    const [, digits, extension = ''] = wanted;
    const same = new RegExp(`^0+${digits}${extension.replace('.', '\\.')}$`, 'i');
    return [...this.index.keys()].find((other) => same.test(other));
  }

  private async search(endings: readonly (readonly string[])[]): Promise<string | readonly string[]> {
    this.index ??= await this.indexed();
    for (const ending of endings) {
      if (ending.includes('..')) continue;
      const found = this.index.get(key(ending.join('/'))) ?? [];
      if (found.length === 0) continue;
      const unmarked = found.filter((file) => !relativeId(this.folder, file).split('/').slice(0, -1).some(saysMask));
      const candidates = unmarked.length > 0 ? unmarked : found;
      if (candidates.length > 1) return candidates;
      this.searched++;
      return candidates[0];
    }
    return [];
  }

  private async indexed(): Promise<Map<string, string[]>> {
    const index = new Map<string, string[]>();
    const add = (name: string, file: string) => {
      const files = index.get(key(name));
      if (files === undefined) index.set(key(name), [file]);
      else files.push(file);
    };
    for (const file of (await imagesBelow(this.folder)).images) {
      const parts = relativeId(this.folder, file).split('/');
      const stem = basename(file, extname(file));
      for (let at = 0; at < parts.length; at++) {
        add(parts.slice(at).join('/'), file);
        if (stem !== basename(file)) add([...parts.slice(at, -1), stem].join('/'), file);
      }
    }
    return index;
  }
}
