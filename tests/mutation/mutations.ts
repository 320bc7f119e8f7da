/**
 * Small changes of a source file, each of which should make some test fail: comparisons turned, conditions
 * negated, constants and indices off by one, statements and awaits left out, arguments exchanged. What
 * people read (messages, what is thrown, comments) and what only the compiler reads is left alone.
 */
import { ts } from "./typescript.ts";

export interface Mutation {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** What is done, e.g. "comparison". */
  readonly operator: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const { SyntaxKind } = ts;

/** What takes an operator's place. */
const operatorPairs: readonly (readonly [operator: string, kind: ts.SyntaxKind, by: string])[] = [
  ["comparison", SyntaxKind.LessThanToken, "<="],
  ["comparison", SyntaxKind.LessThanEqualsToken, "<"],
  ["comparison", SyntaxKind.GreaterThanToken, ">="],
  ["comparison", SyntaxKind.GreaterThanEqualsToken, ">"],
  ["equality", SyntaxKind.EqualsEqualsEqualsToken, "!=="],
  ["equality", SyntaxKind.ExclamationEqualsEqualsToken, "==="],
  ["logic", SyntaxKind.AmpersandAmpersandToken, "||"],
  ["logic", SyntaxKind.BarBarToken, "&&"],
  ["arithmetic", SyntaxKind.PlusToken, "-"],
  ["arithmetic", SyntaxKind.MinusToken, "+"],
  ["arithmetic", SyntaxKind.AsteriskToken, "/"],
  ["arithmetic", SyntaxKind.SlashToken, "*"],
  ["arithmetic", SyntaxKind.PercentToken, "*"],
  ["arithmetic", SyntaxKind.PlusEqualsToken, "-="],
  ["arithmetic", SyntaxKind.MinusEqualsToken, "+="],
  ["assignment", SyntaxKind.QuestionQuestionEqualsToken, "="],
  ["assignment", SyntaxKind.BarBarEqualsToken, "="],
];
const replacedOperators = new Map(
  operatorPairs.map(([operator, kind, by]) => [kind, { operator, by }]),
);

const namePairs: Readonly<Record<string, string>> = {
  some: "every",
  every: "some",
  min: "max",
  max: "min",
  floor: "ceil",
  ceil: "floor",
  shift: "pop",
  pop: "shift",
};

/** All of a file, in the order in which they stand there. */
export function mutationsOf(file: string, source: string): Mutation[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const found: Mutation[] = [];
  const add = (operator: string, node: ts.Node, text: string) => {
    const start = node.getStart(tree);
    const line = tree.getLineAndCharacterOfPosition(start).line + 1;
    found.push({ file, line, operator, start, end: node.getEnd(), text });
  };
  const visit = (node: ts.Node): void => {
    if (isForReaders(node) || ts.isTypeNode(node)) return;
    ofExpression(node, tree, add);
    ofStatement(node, tree, add);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** The file with one of its mutations. */
export function mutated(source: string, { start, end, text }: Mutation): string {
  return source.slice(0, start) + text + source.slice(end);
}

type Add = (operator: string, node: ts.Node, text: string) => void;

function ofExpression(node: ts.Node, tree: ts.SourceFile, add: Add): void {
  const textOf = (part: ts.Node) => part.getText(tree);
  if (ts.isBinaryExpression(node)) {
    const replaced = replacedOperators.get(node.operatorToken.kind);
    if (replaced) add(replaced.operator, node.operatorToken, replaced.by);
  } else if (ts.isPrefixUnaryExpression(node)) {
    const { operator, operand } = node;
    if (operator === SyntaxKind.ExclamationToken) add("negation", node, textOf(operand));
    if (operator === SyntaxKind.MinusToken) add("sign", node, textOf(operand));
    if (operator === SyntaxKind.PlusPlusToken) add("count", node, `--${textOf(operand)}`);
  } else if (ts.isPostfixUnaryExpression(node)) {
    // A loop that counts down does not end; what it would show, other mutations of it show.
    if (!ts.isForStatement(node.parent)) add("count", node, textOf(node.operand));
  } else if (ts.isNumericLiteral(node)) {
    const value = Number(textOf(node).replaceAll("_", ""));
    if (!Number.isFinite(value)) return;
    add("constant", node, Number.isInteger(value) ? `${value + 1}` : `${value * 2}`);
    if (value > 1) add("constant", node, Number.isInteger(value) ? `${value - 1}` : `${value / 2}`);
  } else if (node.kind === SyntaxKind.TrueKeyword) {
    add("boolean", node, "false");
  } else if (node.kind === SyntaxKind.FalseKeyword) {
    add("boolean", node, "true");
  } else if (ts.isAwaitExpression(node)) {
    add("await", node, textOf(node.expression));
  } else if (ts.isConditionalExpression(node)) {
    add("condition", node.condition, `!(${textOf(node.condition)})`);
  } else if (ts.isElementAccessExpression(node)) {
    const { argumentExpression: index } = node;
    if (!ts.isStringLiteral(index)) add("index", index, `${textOf(index)} + 1`);
  } else if (ts.isPropertyAccessExpression(node)) {
    const by = Object.hasOwn(namePairs, node.name.text) ? namePairs[node.name.text] : undefined;
    if (by !== undefined && ts.isCallExpression(node.parent)) add("function", node.name, by);
    if (node.name.text === "length" && !ts.isBinaryExpression(node.parent)) {
      add("off by one", node, `(${textOf(node)} - 1)`);
    }
  } else if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
    const given = node.arguments ?? [];
    for (let index = 0; index + 1 < given.length; index++) {
      const [left, right] = [given[index], given[index + 1]];
      if (ts.isFunctionLike(left) || ts.isFunctionLike(right)) continue;
      if (textOf(left) === textOf(right)) continue;
      const between = tree.text.slice(left.getEnd(), right.getStart(tree));
      const exchanged = `${textOf(right)}${between}${textOf(left)}`;
      add("arguments", spanOf(left, right), exchanged);
    }
  }
}

function ofStatement(node: ts.Node, tree: ts.SourceFile, add: Add): void {
  if (ts.isIfStatement(node) || ts.isWhileStatement(node)) {
    add("condition", node.expression, `!(${node.expression.getText(tree)})`);
  } else if (ts.isExpressionStatement(node)) {
    // A call whose text is for readers is removed by nobody's loss.
    if (!isForReaders(node.expression)) add("removed", node, ";");
  } else if (ts.isContinueStatement(node) || ts.isBreakStatement(node)) {
    if (!ts.isCaseOrDefaultClause(node.parent)) add("removed", node, ";");
  } else if (ts.isReturnStatement(node) && node.expression === undefined) {
    add("removed", node, ";");
  }
}

/** From the beginning of one node to the end of another. */
function spanOf(first: ts.Node, last: ts.Node): ts.Node {
  return {
    getStart: (tree: ts.SourceFile) => first.getStart(tree),
    getEnd: () => last.getEnd(),
  } as unknown as ts.Node;
}

/** Errors, sentences and what is imported: another text is no other behaviour. */
function isForReaders(node: ts.Node): boolean {
  if (ts.isThrowStatement(node) || ts.isTemplateExpression(node)) return true;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return true;
  if (ts.isNewExpression(node)) return /Error$/.test(node.expression.getText());
  if (!ts.isCallExpression(node)) return false;
  return /^(?:console\.\w+|.*\b(?:report|options\.report)\.(?:tell|warn)|warn|tell)$/
    .test(node.expression.getText());
}
