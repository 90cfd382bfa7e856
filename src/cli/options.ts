/** From a zod schema to flags: what each key is called, takes, and says in the help, and how its text is read. */
import { z } from 'zod';
import { FrostlineError } from '../errors.ts';

type JsonSchema = z.core.JSONSchema.JSONSchema;

export interface OptionSpec {
  /** The schema's key, camelCase. */
  readonly key: string;
  /** kebab-case, without dashes in front. */
  readonly flag: string;
  readonly description: string;
  readonly required: boolean;
  readonly kind: 'boolean' | 'value' | 'list' | 'json';
  /** In the help: NUMBER, TEXT or the schema's own. */
  readonly valueName: string;
  /** Reads one value of a flag or list item; text that does not fit is passed on, for the schema to refuse. */
  readonly read: (text: string) => unknown;
}

/** One spec for each key of the schema, in its order. */
export function optionSpecs(schema: z.ZodObject): OptionSpec[] {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return Object.entries(json.properties ?? {}).map(([key, property]) => {
    if (/^no[A-Z]/.test(key)) throw new Error(`option ${key}: name it without 'no', which --no-... is made from`);
    return specOf(key, property as JsonSchema, json.required?.includes(key) ?? false);
  });
}

function specOf(key: string, schema: JsonSchema, required: boolean): OptionSpec {
  const types = typesOf(schema);
  const item = types.has('array') ? itemOf(schema) : schema;
  const itemTypes = typesOf(item);
  const nested = itemTypes.has('array') || itemTypes.has('object');
  const kind = nested
    ? 'json'
    : types.has('array')
      ? 'list'
      : types.size === 1 && types.has('boolean')
        ? 'boolean'
        : 'value';
  const choices = item.enum?.map(String);
  const numeric = itemTypes.has('number') || itemTypes.has('integer');
  const own = (schema as { valueName?: string }).valueName;
  return {
    key,
    flag: kebabCase(key),
    description: describe(schema, choices, required),
    required,
    kind,
    valueName: own ?? (nested ? 'JSON' : numeric && !itemTypes.has('string') ? 'NUMBER' : choices ? 'NAME' : 'TEXT'),
    read: (text) => readText(text, itemTypes),
  };
}

/**
 * A value given for an option as text, on the command line or in a config file, in the option's form: numbers read,
 * lists split at commas, JSON parsed. What is no text is left alone, but a single value for a list becomes a list.
 */
export function readValue(spec: OptionSpec, value: unknown): unknown {
  const texts = Array.isArray(value) ? value : [value];
  switch (spec.kind) {
    case 'list':
      return texts.flatMap((item) => (typeof item === 'string' ? splitList(item).map(spec.read) : [item]));
    case 'json':
      return typeof value === 'string' ? parseJson(spec, value) : value;
    default:
      return typeof value === 'string' ? spec.read(value) : value;
  }
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function readText(text: string, types: ReadonlySet<string>): unknown {
  const trimmed = text.trim();
  if ((types.has('number') || types.has('integer')) && trimmed !== '' && Number.isFinite(Number(trimmed))) {
    return Number(trimmed);
  }
  if (types.has('boolean') && (trimmed === 'true' || trimmed === 'false')) return trimmed === 'true';
  return text;
}

function parseJson(spec: OptionSpec, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FrostlineError(
      `--${spec.flag}: '${text}' is not JSON (${(error as Error).message}); quote it for the shell, as in --${spec.flag} '[[1,2],[3,4]]'`,
    );
  }
}

function describe(schema: JsonSchema, choices: readonly string[] | undefined, required: boolean): string {
  const remarks = [];
  if (choices) remarks.push(`one of ${choices.join(', ')}`);
  if (required) remarks.push('required');
  if (schema.default !== undefined && schema.default !== null && !isEmpty(schema.default)) {
    const shown = Array.isArray(schema.default) && schema.default.every((v) => typeof v !== 'object');
    remarks.push(`default: ${shown ? (schema.default as unknown[]).join(',') : plain(schema.default)}`);
  }
  return [schema.description, remarks.length > 0 && `(${remarks.join('; ')})`].filter(Boolean).join(' ');
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function typesOf(schema: JsonSchema): Set<string> {
  const own = schema.type === undefined ? [] : Array.isArray(schema.type) ? schema.type : [schema.type];
  const nested = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((s) => [...typesOf(s as JsonSchema)]);
  return new Set([...own, ...nested].filter((type) => type !== 'null'));
}

/** The schema of an array's items, also where the array is one of several alternatives. */
function itemOf(schema: JsonSchema): JsonSchema {
  const arrays = [schema, ...((schema.anyOf ?? schema.oneOf ?? []) as JsonSchema[])];
  const found = arrays.find((s) => s.items !== undefined)?.items;
  return typeof found === 'object' && !Array.isArray(found) ? (found as JsonSchema) : {};
}

export function kebabCase(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function camelCase(name: string): string {
  return name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
