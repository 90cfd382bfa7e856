/** Folders that are parts of a data set (train, val, test), not classes: told by their names and by what is in them. */
import { basename } from 'node:path';
import { FrostlineError } from '../errors.ts';
import { entriesOf, type FoundImages, imagesAmong, imagesBelow, type LeftOut, relativeId } from './files.ts';
import { saysMask } from './masks.ts';

export const partKinds = ['train', 'val', 'test'] as const;
/** Parts of a data set that come divided. */
export type Part = (typeof partKinds)[number];

/** What people call the parts, without accents: English, French, Spanish, Portuguese, Italian, German, Russian, Chinese, Japanese, Korean. */
const words: Readonly<Record<Part, string>> = {
  train:
    'train training trn trainval tr entrainement apprentissage entrenamiento treinamento treino addestramento ' +
    'trainingsdaten обучение обучающая 训练 训练集 訓練 訓練集 学習 학습 훈련',
  val:
    'val valid validation validate dev eval evaluation va validacion validacao validazione convalida validierung ' +
    'валидация 验证 验证集 驗證 驗證集 検証 검증',
  test:
    'test testing tst holdout te ts teste prueba pruebas testdaten тест тестовая 测试 测试集 測試 測試集 ' +
    'テスト 테스트 시험',
};
const kinds = new Map<string, Part>(
  partKinds.flatMap((kind) => words[kind].split(' ').map((word) => [plainLetters(word), kind] as const)),
);
/** Words too short to name a part alone: 'te' and 'tr' are parts together. */
const onlyTogether = new Set(['tr', 'va', 'te', 'ts']);
/** Words in a folder's name that say nothing of what is in it. */
const neutral = new Set(
  'set sets data dataset datasets image images img imgs pictures photos seg part parts split splits dir folder input inputs files jpg jpeg png raw small new resized cropped original'.split(
    ' ',
  ),
);

function plainLetters(word: string): string {
  return word
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase();
}

interface PartName {
  readonly kind: Part;
  readonly rest: string;
  /** whether the name says so only beside a part of another kind */
  readonly weak: boolean;
}

/** 'Training_Set2' as its kind and the words beside it that mean something; nothing where no word, or several, name a part. */
function readName(name: string): PartName | undefined {
  const words = plainLetters(name.replace(/([a-z])([A-Z])/g, '$1 $2'))
    .split(/[\s_.()-]+/)
    .map((word) => word.replace(/^\d+|\d+$/g, ''))
    .flatMap(
      (word) =>
        /^(train|training|val|valid|validation|test|testing)(set|data|dataset|images|imgs)$/.exec(word)?.slice(1) ?? [
          word,
        ],
    )
    .filter((word) => word !== '' && !neutral.has(word));
  const found = words.filter((word) => kinds.has(word));
  if (found.length !== 1) return undefined;
  const rest = words.filter((word) => !kinds.has(word)).join(' ');
  // 'ISIC_2019_Training' is a part beside 'ISIC_2019_Test'.
  return { kind: kinds.get(found[0])!, rest, weak: rest !== '' || onlyTogether.has(found[0]) };
}

/** A folder with what lies in it: its own files, and its folders. */
export interface Tree {
  readonly path: string;
  readonly name: string;
  readonly own: FoundImages;
  readonly folders: readonly { readonly path: string; readonly name: string; readonly found: FoundImages }[];
}

export async function readTree(path: string): Promise<Tree> {
  const { files, folders, special } = await entriesOf(path);
  const own = await imagesAmong({ files, special });
  const below: Tree['folders'][number][] = [];
  for (const folder of folders) {
    below.push({ path: folder, name: basename(folder), found: await imagesBelow(folder) });
  }
  return { path, name: basename(path), own, folders: below };
}

const hasClasses = (tree: Tree): boolean => tree.folders.some(({ found }) => found.images.length > 0);
const holdsAny = (tree: Tree): boolean => tree.own.images.length > 0 || hasClasses(tree);
const named = (trees: readonly Tree[]): string => trees.map(({ name }) => `'${name}'`).join(', ');

export interface Parts {
  readonly parts: readonly { readonly kind: Part; readonly tree: Tree }[];
  /** Folders beside the parts. */
  readonly beside: readonly Tree[];
}

/**
 * Which of the folders of a data set are its parts; nothing where all are classes.
 *
 * A part has a name that says so and folders of images in it. Two parts of different kinds leave every other folder
 * aside; one part beside folders that may be classes is not decided here.
 * @param given `none`, or KIND=FOLDER, several: in place of what the names say
 * @throws FrostlineError where the folders can be read in more than one way
 */
export function findParts(path: string, trees: readonly Tree[], given?: readonly string[]): Parts | undefined {
  if (given !== undefined) return givenParts(path, trees, given);
  const names = new Map(trees.map((tree) => [tree, readName(tree.name)]));
  const kindOf = (tree: Tree): Part | undefined => {
    const read = names.get(tree);
    if (read === undefined || !read.weak) return read?.kind;
    const paired = [...names.values()].some((other) => other?.rest === read.rest && other.kind !== read.kind);
    return paired ? read.kind : undefined;
  };
  const full = trees.filter(holdsAny);
  const parts = full.flatMap((tree) => {
    const kind = kindOf(tree);
    return kind !== undefined && hasClasses(tree) ? [{ kind, tree }] : [];
  });
  const beside = trees.filter((tree) => !parts.some((part) => part.tree === tree));
  const found = new Set(parts.map(({ kind }) => kind));
  if (found.size >= 2 || (found.size === 1 && beside.every((tree) => !holdsAny(tree)))) return { parts, beside };

  const flat = full.filter((tree) => kindOf(tree) !== undefined && !hasClasses(tree));
  const unclear = beside.filter((tree) => holdsAny(tree) && !flat.includes(tree) && !isUnlabelled(tree.name));
  if (found.size === 1 && unclear.length === 0) return { parts, beside };
  if (found.size === 1) {
    throw new FrostlineError(
      `${path}: ${named(parts.map(({ tree }) => tree))} may be a part of the data set or a class beside ${named(unclear)}. ` +
        `Say which is what: --parts ${partsToType(parts[0], unclear)}, or --parts none where every folder is a class`,
    );
  }
  if (new Set(flat.map(kindOf)).size >= 2) {
    throw new FrostlineError(
      `${path}: the folders ${named(flat)} hold images, but no folders of classes. Put the images into a folder for each ` +
        'class, give a table (--format csv), or --parts none where these folders are the classes',
    );
  }
  refuseAlike(path, full);
  return undefined;
}

/** What to type where one folder is a part by its name and others may be: a training part is needed in any case. */
function partsToType({ kind, tree }: Parts['parts'][number], unclear: readonly Tree[]): string {
  const classesOf = ({ folders }: Tree) =>
    folders.flatMap(({ name, found }) => (found.images.length > 0 ? [name] : []));
  const own = classesOf(tree);
  const alike = bySize(unclear.filter((other) => classesOf(other).some((name) => own.includes(name))));
  const other = alike[0] ?? bySize(unclear)[0];
  if (kind !== 'train') return `${asWord(`train=${other.name},${kind}=${tree.name}`)}`;
  return asWord(alike.length > 0 ? `train=${tree.name},test=${other.name}` : `train=${tree.name}`);
}

const imagesIn = ({ own, folders }: Tree): number =>
  folders.reduce((sum, { found }) => sum + found.images.length, own.images.length);
/** The largest first: what is trained on mostly is. */
const bySize = (trees: readonly Tree[]): Tree[] => [...trees].sort((a, b) => imagesIn(b) - imagesIn(a));
/** As a shell takes it for one word. */
const asWord = (text: string): string => (/^[\p{L}\p{N}\p{M}_=,./:@+-]+$/u.test(text) ? text : `"${text}"`);

const isUnlabelled = (name: string): boolean =>
  /^(.*[\s_-])?(un-?label+ed|unsup(ervised)?|pred(ict(ions?)?)?|submissions?|extra)$/i.test(name);
const isRound = (name: string): boolean =>
  /^(cv|folds?|splits?|sessions?|parts?|batch|rounds?|sites?|hospitals?)[\s_-]?\d+$/i.test(name);

/** Whether a folder's name says no more than that images are in it. */
export const saysNothing = (name: string): boolean =>
  name
    .toLowerCase()
    .split(/[\s_.-]+/)
    .every((word) => neutral.has(word.replace(/^\d+|\d+$/g, '')));

/** Folders that all hold the same folders are hardly classes: folds, sites, variants of one data set. */
function refuseAlike(path: string, trees: readonly Tree[]): void {
  if (trees.length < 2 || trees.some(({ own }) => own.images.length > 0)) return;
  const [first, ...others] = trees.map(({ folders }) =>
    folders.filter(({ found }) => found.images.length > 0).map(({ name }) => name.normalize('NFC')),
  );
  const telling = (name: string) =>
    !saysMask(name) &&
    !neutral.has(name.toLowerCase()) &&
    (/^\D+$/.test(name) || trees.every((tree) => isRound(tree.name)));
  if (first.filter(telling).length < 2 || others.some((names) => names.join('/') !== first.join('/'))) return;
  const [one, two] = bySize(trees);
  throw new FrostlineError(
    `${path}: ${named(trees.slice(0, 5))} hold the same folders, ${first.slice(0, 5).join(', ')}: are these the classes? ` +
      `Give one of them as the data set, or say what is what: --parts ${asWord(`train=${one.name},test=${two.name}`)}; ` +
      `--parts none where ${named(trees.slice(0, 2))} and so on are the classes`,
  );
}

function givenParts(path: string, trees: readonly Tree[], given: readonly string[]): Parts | undefined {
  if (given.length === 1 && given[0] === 'none') return undefined;
  const parts = given.map((text) => {
    const [kind, name = ''] = text.split(/=(.*)/s);
    if (!(partKinds as readonly string[]).includes(kind) || name === '') {
      throw new FrostlineError(
        `--parts ${text}: expected none, or train=FOLDER, val=FOLDER, test=FOLDER with commas between`,
      );
    }
    const tree = trees.find((one) => one.name.normalize('NFC') === name.normalize('NFC'));
    if (tree === undefined) {
      throw new FrostlineError(
        `--parts ${text}: there is no folder '${name}' in ${path}; found ${named(trees) || 'none'}`,
      );
    }
    return { kind: kind as Part, tree };
  });
  return { parts, beside: trees.filter((tree) => !parts.some((part) => part.tree === tree)) };
}

/** One line for each folder left aside that holds images. */
export function leftAside(root: string, trees: readonly Tree[], reason: string): LeftOut[] {
  return trees.filter(holdsAny).map((tree) => {
    const count = imagesIn(tree);
    return { path: `${relativeId(root, tree.path)}/`, reason: `${count} image${count === 1 ? '' : 's'} ${reason}` };
  });
}
