/** Data sets as people have them: what archives, competitions, spreadsheets and storage devices make of them. */
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { classCounts } from '../../src/data/dataset.ts';
import { inspectDataset } from '../../src/data/inspect.ts';
import { type DatasetOptions, loadDataset } from '../../src/data/load.ts';
import { findImages } from '../../src/train/predict.ts';
import { bmp, lay, scratch } from './tools.ts';

/** Classes and their counts. */
async function classesOf(path: string, options: Omit<DatasetOptions, 'path'> = {}): Promise<Record<string, number>> {
  const data = await loadDataset({ path, ...options });
  const counts = classCounts(data);
  return Object.fromEntries(data.classes.map((name, label) => [name, counts[label]]));
}

const empty = (...names: string[]) => Object.fromEntries(names.map((name) => [name, '']));
/** Two images in each folder. */
const pairs = (...folders: string[]) =>
  empty(...folders.flatMap((folder) => ['1.png', '2.jpg'].map((name) => `${folder}/${name}`)));
const image = bmp(2, 2, () => [1, 2, 3]);

describe('parts of a data set', () => {
  const two = { a: 4, b: 4 };
  it.each([
    ['training_set and test_set', ['training_set/a', 'training_set/b', 'test_set/a', 'test_set/b']],
    ['Training and Testing', ['Training/a', 'Training/b', 'Testing/a', 'Testing/b']],
    ['trainData and valData', ['trainData/a', 'trainData/b', 'valData/a', 'valData/b']],
    [
      'a prefix that both have',
      ['ISIC_2019_Training/a', 'ISIC_2019_Training/b', 'ISIC_2019_Test/a', 'ISIC_2019_Test/b'],
    ],
    [
      'a folder again in each',
      ['seg_train/seg_train/a', 'seg_train/seg_train/b', 'seg_test/seg_test/a', 'seg_test/seg_test/b'],
    ],
    ['a folder around all', ['data/inner/train/a', 'data/inner/train/b', 'data/inner/test/a', 'data/inner/test/b']],
    [
      'a copy of all beside them',
      ['train/a', 'train/b', 'test/a', 'test/b', 'copy/train/a', 'copy/test/a', '__MACOSX/train/a'],
    ],
    ['French', ['entraînement/a', 'entraînement/b', 'test/a', 'test/b']],
    ['Portuguese', ['Treinamento/a', 'Treinamento/b', 'Teste/a', 'Teste/b']],
    ['Spanish', ['Entrenamiento/a', 'Entrenamiento/b', 'Validación/a', 'Validación/b']],
    ['Chinese', ['训练集/a', '训练集/b', '测试集/a', '测试集/b']],
    ['short for', ['tr/a', 'tr/b', 'te/a', 'te/b']],
    ['an unlabelled part', ['train/a', 'train/b', 'test/a', 'test/b', 'unlabeled']],
  ])('are known: %s', async (_, folders) => {
    expect(await classesOf(lay(scratch(), pairs(...folders)))).toEqual(two);
  });

  it('leave out, and say, what stands beside them', async () => {
    const root = lay(scratch(), pairs('train/a', 'train/b', 'test/a', 'test/b', 'unlabeled/x', 'seg_pred'));
    const data = await loadDataset({ path: root });
    expect(data.ignored).toContainEqual({ path: 'unlabeled/', reason: '2 images beside the parts of the data set' });
    expect(data.ignored).toContainEqual({ path: 'seg_pred/', reason: '2 images beside the parts of the data set' });
  });

  it('are none where a class has the name of one', async () => {
    expect(await classesOf(lay(scratch(), pairs('bus', 'car', 'train')))).toEqual({ bus: 2, car: 2, train: 2 });
    expect(await classesOf(lay(scratch(), pairs('valid', 'invalid')))).toEqual({ invalid: 2, valid: 2 });
    expect(await classesOf(lay(scratch(), pairs('te/x', 'te/y', 'fe/z')))).toEqual({ fe: 2, te: 4 });
    expect(await classesOf(lay(scratch(), pairs('constructor', 'toString')))).toEqual({ constructor: 2, toString: 2 });
  });

  it('are asked for where the folders can be read in two ways, and --parts says', async () => {
    const mixed = lay(scratch(), pairs('train/a', 'train/b', 'more/a', 'more/b'));
    await expect(loadDataset({ path: mixed })).rejects.toThrow(
      /'train' may be a part .*--parts train=train,test=more, or --parts none/,
    );
    const own = lay(scratch(), { ...pairs('test/a', 'test/b', 'my own/a', 'my own/b'), 'my own/a/3.png': '' });
    await expect(loadDataset({ path: own })).rejects.toThrow(/--parts "train=my own,test=test", or --parts none/);
    expect(await classesOf(own, { parts: ['train=my own', 'test=test'], split: 'train' })).toEqual({ a: 3, b: 2 });
    const sizes = lay(scratch(), { ...pairs('A/x', 'A/y', 'B/x', 'B/y'), 'B/x/3.png': '' });
    await expect(loadDataset({ path: sizes })).rejects.toThrow(/--parts train=B,test=A; --parts none/);
    expect(await classesOf(mixed, { parts: ['none'] })).toEqual({ more: 4, train: 4 });
    expect(await classesOf(mixed, { parts: ['train=train', 'test=more'], split: 'test' })).toEqual({ a: 2, b: 2 });
    await expect(loadDataset({ path: mixed, parts: ['test=less'] })).rejects.toThrow(
      /no folder 'less'.*'more', 'train'/,
    );

    const folds = lay(scratch(), pairs('fold1/a', 'fold1/b', 'fold2/a', 'fold2/b'));
    await expect(loadDataset({ path: folds })).rejects.toThrow(
      /'fold1', 'fold2' hold the same folders, a, b.*--parts none/,
    );
    const flat = lay(scratch(), pairs('train', 'test'));
    await expect(loadDataset({ path: flat })).rejects.toThrow(/'test', 'train' hold images, but no folders of classes/);
  });

  it('lets val stand for test where there is no test', async () => {
    const root = lay(scratch(), pairs('train/a', 'train/b', 'val/a', 'val/b'));
    const data = await loadDataset({ path: root, split: 'test' });
    expect(data.samples.map(({ id }) => id)[0]).toBe('val/a/1.png');
    expect(data.notes).toContain('folder val alone, for there is no test part');
    expect(data.ignored).toEqual([{ path: 'train/', reason: '4 images of a part that was not asked for' }]);
  });

  it('are of one class whichever way its letters are composed', async () => {
    const [composed, apart] = ['caf\u00e9', 'cafe\u0301'];
    expect(await classesOf(lay(scratch(), pairs(`train/${composed}`, 'train/b', `test/${apart}`, 'test/b')))).toEqual({
      b: 4,
      [composed]: 4,
    });
  });
});

describe('what is no class and no image', () => {
  it('is what systems, devices and programs leave', async () => {
    const leavings = [
      ...['.DS_Store', 'a/.DS_Store', 'a/._1.png', '__MACOSX/a/._1.png', 'a/Thumbs.db', 'a/THUMBS.DB', 'desktop.ini'],
      ...[
        'a/@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg',
        '@eaDir/a/x.jpg',
        '#recycle/a/1.jpg',
        '$RECYCLE.BIN/x.png',
        'a/.@__thumb/1.png',
      ],
      ...[
        'System Volume Information/x.png',
        'lost+found/x.png',
        '.ipynb_checkpoints/1.png',
        'a/1.png~',
        'a/1.jpg.part',
        'b/1.THM',
      ],
      ...['@SynoResource/1.png', 'a/SYNOPHOTO_THUMB_XL.jpg', '_gsdata_/1.png', 'Recycle Bin/1.png'],
      ...['iPod Photo Cache/F00/1.jpg', 'shots.lrdata/1.jpg', 'a/@__thumb/1.png'],
    ];
    const root = lay(scratch(), { ...pairs('a', 'b'), ...empty(...leavings) });
    expect(await classesOf(root)).toEqual({ a: 2, b: 2 });
    expect((await findImages([root])).images.length).toBe(4);
  });

  it('is told by the first bytes where the name does not say image', async () => {
    const jpeg = await sharp({ create: { width: 9, height: 8, channels: 3, background: '#c86432' } })
      .jpeg()
      .toBuffer();
    const root = lay(scratch(), {
      'a/1.jfif': jpeg,
      'a/2': jpeg,
      'a/3.JPG_large': jpeg,
      'a/4.gif': 'GIF89a',
      'b/1.JPE': jpeg,
      'b/2.dat': image,
      'b/3.heic': Buffer.from('\0\0\0\x18ftypheic', 'latin1'),
      'b/4.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
    });
    const data = await loadDataset({ path: root });
    expect(classCounts(data)).toEqual([3, 2]);
    expect(data.ignored.map(({ reason }) => reason)).toEqual(['a GIF image', 'a HEIC image', 'an SVG drawing']);
    expect((await inspectDataset(data)).notes).toContain('1 file left out, a GIF image: a/4.gif');
  });

  it('is named as what it is under the name of another format', async () => {
    const gif = await sharp({ create: { width: 3, height: 3, channels: 3, background: 'red' } })
      .gif()
      .toBuffer();
    const root = lay(scratch(), {
      'a/1.png': gif,
      'a/2.jpg': Buffer.from('\0\0\0\x18ftypheic', 'latin1'),
      'b/1.png': '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
      'b/2.png': '<!DOCTYPE html><html>not found</html>',
      'b/3.jpg': `${'\0'.repeat(128)}DICM`,
    });
    const { unreadable } = await inspectDataset(await loadDataset({ path: root }));
    expect(unreadable.map(({ reason }) => reason.split(';')[0])).toEqual([
      'a GIF image',
      'a HEIC image',
      'an SVG drawing',
      'a web page',
      'a DICOM file',
    ]);
  });

  it('is a pipe or a device, which are never opened', async () => {
    const root = lay(scratch(), { 'a/1.bmp': image, 'b/1.bmp': image });
    execFileSync('mkfifo', [join(root, 'a/2.png')]);
    symlinkSync('/dev/zero', join(root, 'b/2.png'));
    const data = await loadDataset({ path: root });
    expect(classCounts(data)).toEqual([1, 1]);
    expect(data.ignored).toEqual([
      { path: 'a/2.png', reason: 'a pipe, not a file' },
      { path: 'b/2.png', reason: 'a device, not a file' },
    ]);
    await expect(loadDataset({ path: join(root, 'a/2.png') })).rejects.toThrow(/is a pipe or a device/);
  });
});

describe('masks among the images', () => {
  const beside = {
    'benign/benign (1).png': '',
    'benign/benign (1)_mask.png': '',
    'benign/benign (1)_mask_1.png': '',
    'malignant/images/7.png': '',
    'malignant/masks/7.png': '',
    'malignant/ISIC_1.jpg': '',
    'malignant/ISIC_1_segmentation.png': '',
  };

  it('are left out where their names are made of an image’s, said, and used on demand', async () => {
    const root = lay(scratch(), beside);
    const data = await loadDataset({ path: root });
    expect(classCounts(data)).toEqual([1, 2]);
    expect(data.notes.join()).toMatch(/4 files are named as masks .*--masks use/);
    expect(await classesOf(root, { masks: 'use' })).toEqual({ benign: 3, malignant: 4 });
    const { images, leftOut } = await findImages([root]);
    expect([images.length, leftOut.length]).toEqual([3, 4]);
  });

  it('are told where only the name says so, and people with masks are none', async () => {
    const root = lay(scratch(), { ...pairs('naevi', 'masks'), 'naevi/9_mask.png': '' });
    const { notes } = await inspectDataset(await loadDataset({ path: root }));
    expect(notes.join('\n')).toMatch(/1 images have names that say mask or lesion \(naevi\/9_mask.png\)/);
    expect(notes.join('\n')).toMatch(/class 'masks': the name says mask or lesion. Leave it out \(--exclude masks\)/);
    const none = lay(scratch(), pairs('images', 'masks'));
    await expect(loadDataset({ path: none })).rejects.toThrow(/'images', 'masks' are images and masks .*--masks use/);
    expect(await classesOf(none, { masks: 'use' })).toEqual({ images: 2, masks: 2 });
    const people = lay(scratch(), { 'with_mask/1_mask.png': '', 'with_mask/2.png': '', 'without_mask/1.png': '' });
    const data = await loadDataset({ path: people });
    expect(classCounts(data)).toEqual([2, 1]);
    expect(data.notes.join()).not.toMatch(/mask/);
  });

  it('with one case a folder are refused as PH2 without its table', async () => {
    const cases = ['IMD002', 'IMD003', 'IMD004'].flatMap((id) => [
      `PH2 Dataset images/${id}/${id}_Dermoscopic_Image/${id}.bmp`,
      `PH2 Dataset images/${id}/${id}_lesion/${id}_lesion.bmp`,
    ]);
    const root = lay(scratch(), { ...empty(...cases), 'PH2_dataset.txt': '' });
    const inner = join(root, 'PH2 Dataset images');
    await expect(loadDataset({ path: inner })).rejects.toThrow(
      `Give the folder above, which has PH2_dataset.txt: ${root}`,
    );
    expect((await findImages([inner])).images.map((file) => basename(file))).toEqual([
      'IMD002.bmp',
      'IMD003.bmp',
      'IMD004.bmp',
    ]);
  });

  it('or any other one image a folder is told as a problem', async () => {
    const names = Array.from({ length: 9 }, (_, i) => `patient ${i}/1.png`);
    const { problems } = await inspectDataset(await loadDataset({ path: lay(scratch(), empty(...names)) }));
    expect(problems.join('\n')).toMatch(
      /9 of 9 classes have fewer than 3 images: .* and 4 more\nmost classes .* patients/,
    );
  });
});

describe('tables as people have them', () => {
  const images = empty('imgs/p0.png', 'imgs/p1.png', 'imgs/p2.png', 'imgs/p3.png');
  const table = (text: string | Uint8Array, options: Omit<DatasetOptions, 'path'> = {}, files = images) =>
    classesOf(join(lay(scratch(), { ...files, 't.csv': text }), 't.csv'), options);
  const two = { a: 2, b: 2 };
  const rows = (prefix: string, separator = ',') =>
    ['a', 'a', 'b', 'b'].map((label, i) => `${prefix}p${i}.png${separator}${label}`).join('\n');

  it.each([
    ["Windows' separators", `path,label\n${rows('imgs\\')}\n`],
    ['the paths of another machine', `path,label\n${rows('C:\\Users\\me\\data\\imgs\\')}\n`],
    ['the paths of another system', `path,label\n${rows('/kaggle/input/ds/imgs/')}\n`],
    ['other letters than the files’', `path,label\n${rows('IMGS/P'.slice(0, 5).toLowerCase().toUpperCase())}\n`],
    ['a dot before', `path,label\n${rows('./imgs/')}\n`],
    ['bare names', `path,label\n${rows('')}\n`],
    ['semicolons', `path;label\n${rows('imgs/', ';')}\n`],
    ["Excel's first line", `sep=;\r\npath;label\r\n${rows('imgs/', ';')}\r\n`],
    ['rows and columns without a value', `path,label,,\n${rows('imgs/')}\n,,,\n , \n\n`],
    ['blanks that do not break', `path,label\n${rows('imgs/').replaceAll(',', ',\u00a0')}\n`],
    [
      'an index before',
      `,path,label\n${rows('imgs/')
        .split('\n')
        .map((row, i) => `${i},${row}`)
        .join('\n')}\n`,
    ],
    [
      'UTF-16 with its mark',
      Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(`path\tlabel\n${rows('imgs/', '\t')}`, 'utf16le')]),
    ],
  ])('are read with %s', async (_, text) => {
    expect(await table(text)).toEqual(two);
  });

  it('never take a file of the same name in another folder', async () => {
    const files = empty('x/1.png', 'x/2.png', 'y/1.png');
    expect(await table('path,label\nC:\\d\\x\\1.png,a\nC:\\d\\y\\1.png,b\n', {}, files)).toEqual({ a: 1, b: 1 });
    await expect(table('path,label\n/d/x/1.png,a\n/d/y/2.png,b\n', {}, files)).rejects.toThrow(
      /line 3: \/d\/y\/2.png not found/,
    );
    await expect(table('path,label\nx/1.png,a\ny/2.png,b\n', {}, files)).rejects.toThrow(/line 3: y\/2.png not found/);
  });

  it('find files whose letters are composed otherwise', async () => {
    const files = empty('cafe\u0301.png', 'b.png');
    expect(await table('path,label\ncaf\u00e9.png,x\nb.png,y\n', {}, files)).toEqual({ x: 1, y: 1 });
  });

  it('are decoded strictly: the line is named, and an encoding can be', async () => {
    const latin = Buffer.from('path,label\nimgs/p0.png,caf\xe8\nimgs/p1.png,caf\xe9\nimgs/p2.png,x\n', 'latin1');
    await expect(table(latin)).rejects.toThrow(/t\.csv is not UTF-8: see line 2\..*--encoding windows-1252/);
    expect(await table(latin, { encoding: 'latin1' })).toEqual({ 'caf\u00e8': 1, 'caf\u00e9': 1, x: 1 });
    expect(await table(latin, { encoding: 'iso-8859-2' })).toEqual({ 'caf\u010d': 1, 'caf\u00e9': 1, x: 1 });
    await expect(table(latin, { encoding: 'klingon' })).rejects.toThrow(
      /encoding 'klingon' is not known; expected utf-8/,
    );
    const wide = Buffer.from(`path,label\n${rows('imgs/')}`, 'utf16le');
    await expect(table(wide)).rejects.toThrow(/zero bytes.*--encoding utf-16le/);
    expect(await table(wide, { encoding: 'utf-16le' })).toEqual(two);
  });

  it('without a header lose no row', async () => {
    const text = 'imgs/p0,a\nimgs/p1,a\nimgs/p2,b\nimgs/p3,b\n';
    await expect(table(text)).rejects.toThrow(/no column 'path'.*by its number from 1, as where there is no header/);
    expect(await table(text, { pathColumn: '1', labelColumn: '2' })).toEqual(two);
    expect(await table(text, { pathColumn: 'imgs/p0', labelColumn: 'a' })).toEqual(two);
    expect(await table(`path,label\n${text}`, { pathColumn: '1', labelColumn: '2' })).toEqual(two);
  });

  it('of skin lesions and eyes are read with their own column names', async () => {
    const names = [1, 2, 3, 4].map((i) => `ISIC_002${i}`);
    const half = (i: number) => `HAM10000_images_part_${1 + (i % 2)}`;
    const root = lay(scratch(), {
      ...empty(...names.map((name, i) => `${half(i)}/${name}.jpg`)),
      'meta.csv': `lesion_id,image_id,dx,age\n${names.map((name, i) => `H${i >> 1},${name},${i < 2 ? 'mel' : 'nv'},80\n`).join('')}`,
      'aptos.csv': `id_code,diagnosis\n${names.map((name, i) => `${name},${i % 2}\n`).join('')}`,
    });
    const columns = { pathColumn: 'image_id', labelColumn: 'dx', groupColumn: 'lesion_id' };
    expect(await classesOf(join(root, 'meta.csv'), columns)).toEqual({ mel: 2, nv: 2 });
    const { samples } = await loadDataset({ path: join(root, 'meta.csv'), ...columns });
    expect(new Set(samples.map(({ group }) => group))).toEqual(new Set(['H0', 'H1']));
    const eyes = { pathColumn: 'id_code', labelColumn: 'diagnosis' };
    expect(await classesOf(join(root, 'aptos.csv'), eyes)).toEqual({ 0: 2, 1: 2 });
    const challenge = lay(scratch(), {
      ...empty('in/ISIC_1.jpg', 'in/ISIC_2_downsampled.jpg', 'in/ISIC_3.jpg'),
      't.csv': 'image,MEL,NV\nISIC_1,1.0,0.0\nISIC_2_downsampled,0.0,1.0\nISIC_3,0.0,1.0\n',
    });
    expect(await classesOf(join(challenge, 't.csv'), { pathColumn: 'image' })).toEqual({ MEL: 1, NV: 2 });
  });

  it('with one column a class are known, or named', async () => {
    const text = 'image,MEL,NV,UNK\np0,1.0,0.0,0.0\np1,1.0,0.0,0.0\np2,0.0,1.0,0.0\np3,0.0,1.0,0.0\n';
    const found = { MEL: 2, NV: 2 };
    expect(await table(text, { pathColumn: 'image' })).toEqual(found);
    expect(await table(text, { pathColumn: 'image', labelColumns: ['MEL', 'NV'] })).toEqual(found);
    const several = text.replace('p3,0.0,1.0', 'p3,1.0,1.0');
    await expect(table(several, { pathColumn: 'image', labelColumns: ['MEL', 'NV'] })).rejects.toThrow(
      /line 5: 2 classes marked \(MEL, NV\); expected one/,
    );
    await expect(table(several, { pathColumn: 'image' })).rejects.toThrow(/--label-columns MEL,NV,UNK/);
  });

  it('mark classes with crosses, or words, and tell them from a column beside', async () => {
    const found = { MEL: 2, NV: 2 };
    const options = { pathColumn: 'image' };
    expect(await table('image,MEL,NV,note\np0,x,,\np1,x,,\np2,,x,\np3,,x,\n', options)).toEqual(found);
    expect(await table('image,MEL,NV\np0,yes,no\np1,yes,no\np2,no,yes\np3,no,yes\n', options)).toEqual(found);
    const sex = 'image,male,MEL,NV\np0,1,1,0\np1,0,1,0\np2,1,0,1\np3,0,0,1\n';
    await expect(table(sex, options)).rejects.toThrow(/--label-columns MEL,NV,/);
    expect(await table(sex, { ...options, labelColumns: ['MEL', 'NV'] })).toEqual(found);
    await expect(table(sex.replace('p3,0,0,1', 'p3,0,,'), { ...options, labelColumns: ['MEL', 'NV'] })).rejects.toThrow(
      /line 5: 0 classes marked \(none\); expected one/,
    );
  });

  it('keep what spreadsheets make of them', async () => {
    const found = { a: 2, b: 2 };
    expect(await table('path,label\n="p0",="a"\n="p1",a\n="p2",b\n"=""p3""",b\n')).toEqual(found);
    expect(await table('path;label;a, b or c\np0;a;\np1;a;\np2;b;1,2\np3;b;\n')).toEqual(found);
    const root = lay(scratch(), { ...empty('007.png', '010.png'), 'x.csv': 'path,label\n7,a\n10.png,b\n' });
    await expect(loadDataset({ path: join(root, 'x.csv') })).rejects.toThrow(
      /7 not found \(a spreadsheet took the zeros of 007\?.*\n.*10\.png not found \(.* of 010\.png\?/,
    );
  });

  it('say names that are written almost alike, or stand for nothing', async () => {
    const text = 'path,label\nimgs/p0.png,Nevus\nimgs/p1.png,nevus\nimgs/p2.png,NaN\nimgs/p3.png,b\n';
    const path = join(lay(scratch(), { ...images, 't.csv': text }), 't.csv');
    const { notes } = await inspectDataset(await loadDataset({ path }));
    expect(notes.join('\n')).toMatch(/classes 'Nevus', 'nevus' are written almost alike/);
    expect(notes.join('\n')).toMatch(/class 'NaN': the name usually stands for a value that is missing/);
  });
});
