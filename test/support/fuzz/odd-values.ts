import fc from 'fast-check';

/**
 * Ids that a run puts in: `{session}` is this run's own, `{foreign_session}` another workspace's. A counterexample that
 * names them can be read, and replayed on another database.
 */
export const ID_PLACEHOLDERS = [
  '{agent}',
  '{environment}',
  '{unused_environment}',
  '{session}',
  '{event}',
  '{approval_call}',
  '{custom_call}',
  '{file}',
  '{upload}',
  '{resource}',
  '{foreign_agent}',
  '{foreign_environment}',
  '{foreign_session}',
  '{foreign_event}',
  '{foreign_approval}',
  '{foreign_approval_call}',
  '{foreign_custom_call}',
  '{foreign_file}',
  '{foreign_upload}',
  '{foreign_resource}',
  '{conversation}',
  '{approval}',
  '{client}',
] as const;

/** Text that has broken programs: each is here for a reason that its neighbours do not have. */
const ODD_TEXTS = [
  '',
  ' ',
  '\t\r\n',
  'a\u0000b',
  '\u0000',
  '\uFEFFbom',
  '\u202Eright to left\u202C',
  'e\u0301\u0301\u0301\u0301',
  '👩‍👩‍👧‍👦',
  '\u{10FFFF}',
  '\uD83D',
  'a\uDC00b',
  'İıſ',
  '\u2028\u2029',
  '</script><b>',
  '../../../../etc/passwd',
  '%00%2e%2e%2f',
  '$where',
  '$ne',
  'a.b.c',
  '__proto__',
  'constructor',
  'null',
  'undefined',
  'NaN',
  '[object Object]',
  'true',
  '0',
  '-1',
  '1e309',
  '2020-02-30T25:61:61Z',
  '9999-12-31T23:59:59.999999999+23:59',
  '0000-01-01T00:00:00Z',
  'javascript:alert(1)',
  'http://user:password@[::1]:99999/',
  '{{7*7}}${7*7}',
  "'; return true; //",
];

export const ODD_KEYS = [
  '',
  ' ',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'toJSON',
  '_bsontype',
  '$ne',
  '$gt',
  '$where',
  '$set',
  'a.b',
  '.',
  '_id',
  'id',
  'workspace_id',
  'length',
  '0',
  'a\u0000b',
  '\uD800',
  'x'.repeat(5000),
];

/** Numbers as JSON writes them; the last ones are numbers to nobody's parser but a lenient one. */
const ODD_NUMBERS = ['0', '-0', '-1', '0.1', '1e309', '-1e309', '1e-400', '9007199254740993', '-2147483649', '1E2'];
const NO_JSON = ['NaN', 'Infinity', 'undefined', '01', '+1', "'single'", '', '{', '"open'];

/** What MongoDB understands where it was to be given a text. */
export const OPERATORS = ['{"$ne":null}', '{"$gt":""}', '{"$where":"sleep(1000)"}', '{"$regex":".*"}', '{"$oid":"x"}'];
const BSON_TYPES = [
  '{"_bsontype":"ObjectId","id":"x"}',
  '{"_bsontype":"Code","code":"x"}',
  '{"toBSON":1}',
  '{"$date":1}',
];

const repeated = fc
  .tuple(fc.constantFrom('x', 'é', '😀', ' ', '\n', 'ab '), fc.constantFrom(129, 257, 600, 5000, 120_000))
  .map(([unit, count]) => unit.repeat(count));

/** Any text at all, with a taste for the odd. */
export const oddText: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...ODD_TEXTS) },
  { weight: 2, arbitrary: fc.constantFrom(...ID_PLACEHOLDERS) },
  { weight: 1, arbitrary: repeated },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
);

const deep = fc
  .tuple(fc.constantFrom<[string, string]>(['[', ']'], ['{"a":', '}']), fc.constantFrom(20, 47, 49, 120, 5000))
  .map(([[open, close], depth]) => `${open.repeat(depth)}1${close.repeat(depth)}`);

const wide = fc
  .tuple(fc.constantFrom('1', '""', '[]', '{}', 'null', '"x"'), fc.constantFrom(0, 1, 101, 1001, 20_000))
  .map(([item, count]) => `[${Array.from({ length: count }, () => item).join(',')}]`);

const manyKeys = fc.constantFrom(17, 300, 3000).map((count) => {
  const entries = Array.from({ length: count }, (_, index) => `"k${index}":"v"`);
  return `{${entries.join(',')}}`;
});

/** Any JSON value as text, with a taste for the odd. */
export const oddJson: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: oddText.map((text) => JSON.stringify(text)) },
  { weight: 3, arbitrary: fc.constantFrom(...ODD_NUMBERS) },
  { weight: 3, arbitrary: fc.constantFrom('null', 'true', 'false', '[]', '{}', '[null]', '[[]]') },
  { weight: 2, arbitrary: fc.constantFrom(...OPERATORS, ...BSON_TYPES) },
  { weight: 1, arbitrary: deep },
  { weight: 1, arbitrary: wide },
  { weight: 1, arbitrary: manyKeys },
  { weight: 1, arbitrary: fc.json({ maxDepth: 3 }) },
);

export const noJson: fc.Arbitrary<string> = fc.constantFrom(...NO_JSON);
