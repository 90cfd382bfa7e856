/** Work to be done once, however a command ends. */
export class Deferred {
  private readonly work: (() => void | Promise<void>)[] = [];

  add(work: () => void | Promise<void>): void {
    this.work.push(work);
  }

  /** Runs what was added, last first; one that fails does not keep the others from running. Returns their errors. */
  async run(): Promise<unknown[]> {
    const errors: unknown[] = [];
    for (let next = this.work.pop(); next !== undefined; next = this.work.pop()) {
      try {
        await next();
      } catch (error) {
        errors.push(error);
      }
    }
    return errors;
  }
}
