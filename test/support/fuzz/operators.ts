import { changeAt, type JsonTree, nameOf, placesOf, print, treeOf } from './json-tree.ts';
import { OPERATORS } from './odd-values.ts';
import { asItIs, type FuzzedRequest } from './requests.ts';
import type { ValidRequest } from './routes.ts';

/** A valid request with an operator of MongoDB's in one place of it. */
export interface WithOperator {
  /** `body tools.0.name`, `query limit`, `path 0`. */
  at: string;
  operator: string;
  request: FuzzedRequest;
}

/** In the place of every text of the body and of every parameter of the path and the query, one by one. */
export function withOperators(key: string, valid: ValidRequest): WithOperator[] {
  const whole = asItIs(key, valid);
  return OPERATORS.flatMap((operator) => [
    ...whole.path.map((_id, at) => ({
      at: `path ${at}`,
      operator,
      request: { ...whole, path: whole.path.toSpliced(at, 1, operator) },
    })),
    ...whole.query.map(([name], at) => ({
      at: `query ${name}`,
      operator,
      request: { ...whole, query: whole.query.toSpliced(at, 1, [name, operator]) },
    })),
    ...(valid.body === undefined ? [] : withOperatorIn(valid.body, operator)).map(({ at, json }) => ({
      at: `body ${at}`,
      operator,
      request: { ...whole, body: { json, changes: [] } },
    })),
  ]);
}

/** `value` as JSON with the operator in the place of each of its texts, one by one. */
export function withOperatorIn(value: unknown, operator: string): Array<{ at: string; json: string }> {
  const tree = treeOf(value);
  return textsOf(tree).map((path) => ({
    at: nameOf(tree, path),
    json: print(changeAt(tree, path, () => ({ kind: 'text', text: operator }))),
  }));
}

/** `agent_id[$ne]` in the place of `agent_id`, for every parameter of the query; and the request without that parameter. */
export function withOperatorNames(key: string, valid: ValidRequest): Array<WithOperator & { without: FuzzedRequest }> {
  const whole = asItIs(key, valid);
  return OPERATORS.flatMap((operator) => {
    const [word = ''] = Object.keys(JSON.parse(operator));
    return whole.query.map(([name, value], at) => ({
      at: `query ${name}[${word}]`,
      operator,
      request: { ...whole, query: whole.query.toSpliced(at, 1, [`${name}[${word}]`, value]) },
      without: { ...whole, query: whole.query.toSpliced(at, 1) },
    }));
  });
}

function textsOf(tree: JsonTree) {
  return placesOf(tree).filter((path) => {
    let isText = false;
    changeAt(tree, path, (at) => {
      isText = at.kind === 'text' && at.text.startsWith('"');
      return at;
    });
    return isText;
  });
}
