export interface Target {
  /** What mutations put in. */
  readonly words?: readonly string[];
  /** The bytes are a message of protobuf, whose fields are changed too. */
  readonly protobuf?: true;
  /** The reader of what is given as bytes; files lie in a folder of its own. */
  open(folder: string): Promise<(bytes: Buffer) => unknown>;
  /** A refusal may be a plain Error. */
  readonly plainErrors?: true;
}
export const targets: Readonly<Record<string, Target>>;
