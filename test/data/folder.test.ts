import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { classCounts } from '../../src/data/dataset.ts';
import { loadDataset } from '../../src/data/load.ts';
import { lay, scratch } from './tools.ts';

describe('a folder for each class', () => {
  it('sorts classes and samples, passes over hidden files and lists what it ignores', async () => {
    const root = lay(scratch(), {
      'b/2.png': '',
      'b/1.JPG': '',
      'b/notes.txt': '',
      'b/.hidden.png': '',
      'a/deep/er/3.tiff': '',
      'stray.png': '',
      '.git/4.png': '',
      '__MACOSX/a/5.png': '',
    });
    const data = await loadDataset({ path: root });
    expect(data.format).toBe('folder');
    expect(data.notes[0]).toBe("format 'folder': folders of images found");
    expect(data.classes).toEqual(['a', 'b']);
    expect(data.samples.map(({ id, label }) => [id, label])).toEqual([
      ['a/deep/er/3.tiff', 0],
      ['b/1.JPG', 1],
      ['b/2.png', 1],
    ]);
    expect(data.samples[1].source).toEqual({ file: join(root, 'b', '1.JPG') });
    expect(data.ignored.map(({ path }) => path).sort()).toEqual(['b/notes.txt', 'stray.png']);
  });

  it('keeps a class without images, for the split to refuse by name', async () => {
    const root = lay(scratch(), { 'a/1.png': '', 'b/readme.md': '' });
    const data = await loadDataset({ path: root, format: 'folder' });
    expect(classCounts(data)).toEqual([1, 0]);
  });

  it('sorts classes that are numbers by their value', async () => {
    const root = lay(scratch(), { '10/a.png': '', '9/a.png': '', '0/a.png': '' });
    expect((await loadDataset({ path: root })).classes).toEqual(['0', '9', '10']);
  });

  const parted = { 'train/x/1.png': '', 'train/y/2.png': '', 'valid/x/1.png': '', 'Test/z/1.png': '' };

  it('merges train, val and test with a note', async () => {
    const data = await loadDataset({ path: lay(scratch(), parted) });
    expect(data.classes).toEqual(['x', 'y', 'z']);
    expect(data.samples.map(({ id }) => id)).toEqual([
      'train/x/1.png',
      'valid/x/1.png',
      'train/y/2.png',
      'Test/z/1.png',
    ]);
    expect(data.notes[1]).toMatch(/Test, train, valid merged/);
  });

  it('reads one part where asked, and refuses a part that is not there', async () => {
    const root = lay(scratch(), parted);
    const data = await loadDataset({ path: root, split: 'val' });
    expect(data.samples.map(({ id }) => id)).toEqual(['valid/x/1.png']);
    const plain = lay(scratch(), { 'a/1.png': '' });
    await expect(loadDataset({ path: plain, split: 'test' })).rejects.toThrow(/no folders train, val or test/);
  });

  it('says what it found where nothing is known', async () => {
    const root = lay(scratch(), { 'paper.pdf': '' });
    await expect(loadDataset({ path: root })).rejects.toThrow(/found paper.pdf/);
    await expect(loadDataset({ path: join(root, 'nowhere') })).rejects.toThrow(/does not exist/);
    await expect(loadDataset({ path: root, format: 'folder' })).rejects.toThrow(/no image in the folder of a class/);
  });

  it('leaves classes out and renumbers the others', async () => {
    const root = lay(scratch(), { 'a/1.png': '', 'b/1.png': '', 'c/1.png': '' });
    const data = await loadDataset({ path: root, exclude: ['b'] });
    expect(data.classes).toEqual(['a', 'c']);
    expect(data.samples.map(({ id, label }) => [id, label])).toEqual([
      ['a/1.png', 0],
      ['c/1.png', 1],
    ]);
    await expect(loadDataset({ path: root, exclude: ['d'] })).rejects.toThrow(/no class 'd'.*a, b, c/);
  });

  it('refuses an option that the format does not read', async () => {
    const root = lay(scratch(), { 'a/1.png': '' });
    await expect(loadDataset({ path: root, task: 'melanoma' })).rejects.toThrow(/--task does not apply/);
  });
});

describe('a CSV table', () => {
  it('reads path, label and group relative to its folder, with a byte-order mark, quotes and CRLF', async () => {
    const root = lay(scratch(), {
      'img/1.png': '',
      'img/2, two.png': '',
      'img/3.png': '',
      'data.csv': '\uFEFFPath,label,group\r\nimg/1.png,nv,p1\r\n"img/2, two.png",mel,\r\nimg/3.png,mel,p1\r\n',
    });
    const data = await loadDataset({ path: root });
    expect(data.format).toBe('csv');
    expect(data.classes).toEqual(['mel', 'nv']);
    expect(data.samples).toEqual([
      { id: 'img/1.png', label: 1, group: 'p1', source: { file: join(root, 'img', '1.png') } },
      { id: 'img/2, two.png', label: 0, source: { file: join(root, 'img', '2, two.png') } },
      { id: 'img/3.png', label: 0, group: 'p1', source: { file: join(root, 'img', '3.png') } },
    ]);
  });

  it('knows a tab by the name of the table, and other delimiters by the option', async () => {
    const root = lay(scratch(), {
      'one.png': '',
      'tabs.tsv': 'path\tlabel\none.png\ta, b\n',
      'semicolons.csv': 'path;label\none.png;a, b\n',
    });
    const classesOf = async (name: string, delimiter?: string) =>
      (await loadDataset({ path: join(root, name), delimiter })).classes;
    expect(await classesOf('tabs.tsv')).toEqual(['a, b']);
    expect(await classesOf('tabs.tsv', '\\t')).toEqual(['a, b']);
    expect(await classesOf('semicolons.csv', ';')).toEqual(['a, b']);
    expect(await classesOf('semicolons.csv')).toEqual(['a, b']);
    await expect(classesOf('semicolons.csv', '#')).rejects.toThrow(/columns are path;label\. .*by --delimiter/);
  });

  const ham = {
    'HAM_part_1/ISIC_1.jpg': '',
    'HAM_part_2/ISIC_2.jpg': '',
    'meta.csv': 'lesion_id,image_id,dx\nL1,ISIC_1,nv\nL2,ISIC_2,mel\n',
  };

  it("finds HAM10000's bare names in two folders, by the named columns", async () => {
    const root = lay(scratch(), ham);
    const columns = { pathColumn: 'image_id', labelColumn: 'dx', groupColumn: 'lesion_id' };
    const data = await loadDataset({ path: root, ...columns });
    expect(data.samples.map(({ id, label, group }) => [id, label, group])).toEqual([
      ['HAM_part_1/ISIC_1.jpg', 1, 'L1'],
      ['HAM_part_2/ISIC_2.jpg', 0, 'L2'],
    ]);
    expect(data.notes).toContain('2 images found by name below the folder of the table');
  });

  it('does not take the folders of a table for classes', async () => {
    const root = lay(scratch(), ham);
    await expect(loadDataset({ path: root })).rejects.toThrow(/say which: --format folder, or --format csv/);
    await expect(loadDataset({ path: root, format: 'csv' })).rejects.toThrow(
      /no column 'path'.*lesion_id, image_id, dx/,
    );
  });

  it('reports all bad rows at once', async () => {
    const root = lay(scratch(), {
      'one.png': '',
      'a/two.png': '',
      'b/two.png': '',
      'data.csv': 'path,label\none.png,x\nmissing.png,x\none.png,y\n,x\none.png,\ntwo,y\n',
    });
    const message = await loadDataset({ path: join(root, 'data.csv') }).catch((error: Error) => error.message);
    expect(message).toMatch(/5 of 6 rows/);
    expect(message).toMatch(/line 3: missing.png not found/);
    expect(message).toMatch(/line 4: one.png stands already on line 2/);
    expect(message).toMatch(/line 5: the file is empty/);
    expect(message).toMatch(/line 6: the label is empty/);
    expect(message).toMatch(/line 7: two found 2 times: a\/two.png, b\/two.png/);
  });

  it('reads no cell under a column that is not its own', async () => {
    const root = lay(scratch(), {
      'one.png': '',
      'comma.csv': 'path,label\none.png,nevus, atypical\n',
      'trailing.csv': 'path,label\none.png,nevus,\n',
      'twice.csv': 'path,label,label\none.png,nevus,mole\n',
    });
    const load = (name: string) => loadDataset({ path: join(root, name) });
    await expect(load('comma.csv')).rejects.toThrow(/line 2: 3 cells under 2 columns; quote a cell that holds a comma/);
    await expect(load('twice.csv')).rejects.toThrow(/two columns 'label'; rename one/);
    expect((await load('trailing.csv')).classes).toEqual(['nevus']);
  });
});
