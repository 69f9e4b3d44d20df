import * as z from 'zod';

// Checks in the words of zod. A value that is right is read without zod: to load it, and to make its schemas, takes a process that runs its first
// container, or a command that reads a config.json, longer than all else that it does with them. Of a value that is wrong zod says what is wrong.

/** What a field reads of a value that it does not take. */
export const WRONG = Symbol('wrong');

type Read<Out> = (value: unknown) => Out | typeof WRONG;

/** What is said of a value that a rule does not take, and where in it. */
type Problem = string | { readonly path: (string | number)[]; readonly message: string };
/** Says that a value is wrong. */
export type Complain = (problem: Problem) => void;

/** A check, and what it makes of what it takes. */
export class Field<Out, In = Out> {
  /** @param schema makes the same check of zod */
  constructor(
    readonly read: Read<Out>,
    readonly schema: () => z.ZodType<Out, In>,
  ) {}

  refine(is: (value: Out) => boolean, problem: Problem): Field<Out, In> {
    return new Field(passing(this.read, is), () => this.schema().refine(is, problem));
  }

  /** @param change may complain of what it is given */
  transform<T>(change: (value: Out, complain: Complain) => T): Field<T, In> {
    const read = (value: unknown): T | typeof WRONG => {
      const taken = this.read(value);
      if (taken === WRONG) return WRONG;
      let isRight = true;
      const changed = change(taken, () => {
        isRight = false;
      });
      return isRight ? changed : WRONG;
    };
    const schema = () =>
      z.pipe(
        this.schema(),
        z.transform<Out, T>((value, context) => change(value, (problem) => context.addIssue(issueOf(problem)))),
      );
    return new Field<T, In>(read, schema);
  }

  /** What is found by a value. @param problem of one by which nothing is found */
  find<T extends string | number | bigint | object>(by: (value: Out) => T | undefined, problem: (value: Out) => string): Field<T, In> {
    const read = (value: unknown): T | typeof WRONG => {
      const taken = this.read(value);
      return taken === WRONG ? WRONG : (by(taken) ?? WRONG);
    };
    const schema = () =>
      z.pipe(
        this.schema(),
        z.transform<Out, T>((value, context) => {
          const found = by(value);
          if (found !== undefined) return found;
          context.addIssue(problem(value));
          return z.NEVER;
        }),
      );
    return new Field<T, In>(read, schema);
  }

  nullish(): Field<Out | null | undefined, In | null | undefined> {
    const read = (value: unknown) => (value === null || value === undefined ? value : this.read(value));
    return new Field<Out | null | undefined, In | null | undefined>(read, () => this.schema().nullish());
  }

  optional(): Field<Out | undefined, In | undefined> {
    const read = (value: unknown) => (value === undefined ? value : this.read(value));
    return new Field<Out | undefined, In | undefined>(read, () => this.schema().optional());
  }

  nullable(): Field<Out | null, In | null> {
    const read = (value: unknown) => (value === null ? value : this.read(value));
    return new Field<Out | null, In | null>(read, () => this.schema().nullable());
  }

  /** @throws ZodError */
  parse(value: unknown): Out {
    const taken = this.read(value);
    return taken === WRONG ? this.schema().parse(value) : taken;
  }
}

class Text extends Field<string> {
  constructor(
    read: Read<string>,
    override readonly schema: () => z.ZodString,
  ) {
    super(read, schema);
  }

  min(length: number): Text {
    return new Text(
      passing(this.read, (value) => value.length >= length),
      () => this.schema().min(length),
    );
  }

  regex(pattern: RegExp, problem: string): Text {
    return new Text(
      passing(this.read, (value) => pattern.test(value)),
      () => this.schema().regex(pattern, problem),
    );
  }

  override refine(is: (value: string) => boolean, problem: string): Text {
    return new Text(passing(this.read, is), () => this.schema().refine(is, problem));
  }
}

class Numeral extends Field<number> {
  constructor(
    read: Read<number>,
    override readonly schema: () => z.ZodNumber,
  ) {
    super(read, schema);
  }

  min(least: number): Numeral {
    return new Numeral(
      passing(this.read, (value) => value >= least),
      () => this.schema().min(least),
    );
  }

  max(most: number): Numeral {
    return new Numeral(
      passing(this.read, (value) => value <= most),
      () => this.schema().max(most),
    );
  }

  override refine(is: (value: number) => boolean, problem: string): Numeral {
    return new Numeral(passing(this.read, is), () => this.schema().refine(is, problem));
  }
}

class List<Out, In> extends Field<Out[], In[]> {
  constructor(
    read: Read<Out[]>,
    override readonly schema: () => z.ZodArray<z.ZodType<Out, In>>,
  ) {
    super(read, schema);
  }

  min(length: number): List<Out, In> {
    return new List(
      passing(this.read, (value) => value.length >= length),
      () => this.schema().min(length),
    );
  }

  max(length: number): List<Out, In> {
    return new List(
      passing(this.read, (value) => value.length <= length),
      () => this.schema().max(length),
    );
  }
}

/** What a field reads. */
export type output<F> = F extends Field<infer Out, infer _> ? Out : never;
/** What a field takes. */
export type input<F> = F extends Field<infer _, infer In> ? In : never;

function passing<Out>(read: Read<Out>, is: (value: Out) => boolean): Read<Out> {
  return (value) => {
    const taken = read(value);
    return taken !== WRONG && is(taken) ? taken : WRONG;
  };
}

export function string(): Text {
  return new Text(
    (value) => (typeof value === 'string' ? value : WRONG),
    () => z.string(),
  );
}

export function number(): Numeral {
  return new Numeral(
    (value) => (typeof value === 'number' && Number.isFinite(value) ? value : WRONG),
    () => z.number(),
  );
}

/** A whole number that is exact. */
export function int(): Numeral {
  return new Numeral(
    (value) => (typeof value === 'number' && Number.isSafeInteger(value) ? value : WRONG),
    () => z.int(),
  );
}

export function bigint(): Field<bigint> {
  return new Field<bigint>(
    (value) => (typeof value === 'bigint' ? value : WRONG),
    () => z.bigint(),
  );
}

export function boolean(): Field<boolean> {
  return new Field<boolean>(
    (value) => (typeof value === 'boolean' ? value : WRONG),
    () => z.boolean(),
  );
}

export function unknown(): Field<unknown> {
  return new Field<unknown>(
    (value) => value,
    () => z.unknown(),
  );
}

export function literal<const T extends string | number>(only: T): Field<T> {
  return new Field<T>(
    (value) => (value === only ? only : WRONG),
    () => z.literal(only),
  );
}

/** @param problem what is said of any other value; default: what the names are, and which was meant */
export function oneOf<const T extends string>(names: readonly T[], problem?: string): Field<T> {
  return new Field<T>(
    (value) => names.find((name) => name === value) ?? WRONG,
    () => z.enum(names, problem),
  );
}

/** The first of two that takes a value. @param problem what is said where none does; else that of the one that is meant */
export function either<A, InA, B, InB>(first: Field<A, InA>, second: Field<B, InB>, problem?: string): Field<A | B, InA | InB> {
  const read = (value: unknown) => {
    const taken = first.read(value);
    return taken === WRONG ? second.read(value) : taken;
  };
  return new Field<A | B, InA | InB>(read, () => z.union([first.schema(), second.schema()], problem));
}

export function array<Out, In>(item: Field<Out, In>): List<Out, In> {
  const read = (value: unknown) => {
    if (!Array.isArray(value)) return WRONG;
    const items: Out[] = [];
    for (const each of value) {
      const taken = item.read(each);
      if (taken === WRONG) return WRONG;
      items.push(taken);
    }
    return items;
  };
  return new List(read, () => z.array(item.schema()));
}

/** What a field makes of an empty object, where the value is missing. */
export function orEmpty<Out, In>(field: Field<Out, In>): Field<Out, unknown> {
  return new Field<Out, unknown>(
    (value) => field.read(value ?? {}),
    () => z.preprocess((value) => value ?? {}, field.schema()),
  );
}

/** A list that is not changed. */
export function readonlyArray<Out, In>(item: Field<Out, In>): Field<readonly Out[], readonly In[]> {
  const { read, schema } = array(item);
  return new Field<readonly Out[], readonly In[]>(read, () => schema().readonly());
}

/** An object whose keys are all taken by the one, and whose values by the other. */
export function record<Out, In>(key: Field<string>, value: Field<Out, In>): Field<Record<string, Out>, Record<string, In>> {
  const read = (given: unknown) => {
    if (!isPlain(given)) return WRONG;
    const taken: Record<string, Out> = {};
    for (const [name, each] of Object.entries(given)) {
      const part = value.read(each);
      // zod passes over what would change the object itself
      if (part === WRONG || key.read(name) === WRONG || name === '__proto__') return WRONG;
      taken[name] = part;
    }
    return taken;
  };
  return new Field<Record<string, Out>, Record<string, In>>(read, () => z.record(key.schema(), value.schema()));
}

/** An object of which each of these keys may be there. */
export function partialRecord<K extends string, Out, In>(
  names: readonly K[],
  value: Field<Out, In>,
): Field<Partial<Record<K, Out>>, Partial<Record<K, In>>> {
  const read = (given: unknown) => {
    if (!isObject(given)) return WRONG;
    const taken: Partial<Record<K, Out>> = {};
    for (const [key, each] of Object.entries(given)) {
      const part = value.read(each);
      const name = names.find((known) => known === key);
      if (part === WRONG || name === undefined) return WRONG;
      taken[name] = part;
    }
    return taken;
  };
  return new Field<Partial<Record<K, Out>>, Partial<Record<K, In>>>(read, () => z.partialRecord(z.enum(names), value.schema()));
}

type Shape = Readonly<Record<string, Field<unknown, unknown>>>;
type None = Readonly<Record<never, never>>;
type Outputs<S extends Shape, O extends Shape> = { [K in keyof S]: output<S[K]> } & { [K in keyof O]?: output<O[K]> | undefined };
type Inputs<S extends Shape, O extends Shape> = { [K in keyof S]: input<S[K]> } & { [K in keyof O]?: input<O[K]> | undefined };

/** An object with these keys, and those of the second that are there. Others are passed over. */
export function object<S extends Shape, O extends Shape = None>(shape: S, optional?: O): Field<Outputs<S, O>, Inputs<S, O>> {
  return new Field(objectReader<S, O>(shape, optional, isObject), () => z.object(schemasOf(shape, optional)) as ObjectSchema<S, O>);
}

/** The same, where there must be no others. */
export function strictObject<S extends Shape, O extends Shape = None>(shape: S, optional?: O): Field<Outputs<S, O>, Inputs<S, O>> {
  const isKnown = (value: unknown): value is Given =>
    isPlain(value) && Object.keys(value).every((key) => Object.hasOwn(shape, key) || Object.hasOwn(optional ?? {}, key));
  return new Field(objectReader<S, O>(shape, optional, isKnown), () => z.strictObject(schemasOf(shape, optional)) as ObjectSchema<S, O>);
}

type Given = Readonly<Record<string, unknown>>;
/** These keys are those of the shapes, each with what its field takes, which TypeScript does not know of a loop. */
type ObjectSchema<S extends Shape, O extends Shape> = z.ZodType<Outputs<S, O>, Inputs<S, O>>;

function objectReader<S extends Shape, O extends Shape>(
  shape: S,
  optional: O | undefined,
  is: (value: unknown) => value is Given,
): Read<Outputs<S, O>> {
  const needed = Object.entries(shape);
  const more = Object.entries(optional ?? {});
  return (value) => {
    if (!is(value)) return WRONG;
    const taken: Record<string, unknown> = {};
    const take = (key: string, field: Field<unknown, unknown>): boolean => {
      const part = field.read(value[key]);
      if (part !== undefined || key in value) taken[key] = part;
      return part !== WRONG;
    };
    const isRight =
      needed.every(([key, field]) => take(key, field)) && more.every(([key, field]) => value[key] === undefined || take(key, field));
    // these are the keys of the shapes, each with what its field reads, which TypeScript does not know of a loop
    return isRight ? (taken as Outputs<S, O>) : WRONG;
  };
}

function schemasOf(shape: Shape, optional: Shape = {}): Record<string, z.ZodType> {
  return {
    ...Object.fromEntries(Object.entries(shape).map(([key, field]) => [key, field.schema()])),
    ...Object.fromEntries(Object.entries(optional).map(([key, field]) => [key, field.schema().optional()])),
  };
}

function issueOf(problem: Problem) {
  return typeof problem === 'string' ? problem : { code: 'custom' as const, ...problem };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether all of an object is what Object.entries has of it: zod looks at more of others. */
function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    isObject(value) && Object.getPrototypeOf(value) === Object.prototype && Reflect.ownKeys(value).length === Object.keys(value).length
  );
}

/** Fields by the name of an option. */
export type Fields = Readonly<Record<string, Field<unknown, unknown>>>;

/** Their schemas, for a schema of an object in which each may be missing. */
export type OptionalSchemas<F extends Fields> = { [K in keyof F]: z.ZodOptional<z.ZodType<output<F[K]>, input<F[K]>>> };

export function optionalSchemas<F extends Fields>(fields: F): OptionalSchemas<F> {
  const schemas = Object.entries(fields).map(([name, field]) => [name, field.schema().optional()]);
  // each name has the schema of its field, which TypeScript does not know of a list of pairs
  return Object.fromEntries(schemas) as OptionalSchemas<F>;
}
