// A module of the library as the package has it: what it imports is loaded when it is first used. Nearly all that an import of the package would
// otherwise cost is for modules that the program never uses.
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { root } from './shared.mjs';

const compilerOptions = {
  module: ts.ModuleKind.CommonJS,
  target: ts.ScriptTarget.ES2022,
  isolatedModules: true,
  esModuleInterop: false,
};

/** In a bundle of somebody else's that is no CommonJS, there is no file name. */
export const OWN_URL = "(typeof __filename === 'undefined' ? undefined : require('node:url').pathToFileURL(__filename).href)";

const isRequire = (node) => node && ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'require';

/** The variable of `const NAME = require("…");`, which is how TypeScript writes an import. */
function importedAs(node) {
  if (!ts.isVariableStatement(node)) return null;
  const [declaration] = node.declarationList.declarations;
  return isRequire(declaration?.initializer) ? { name: declaration.name.text, specifier: declaration.initializer.arguments[0].text } : null;
}

/** Whether an identifier is a use of the variable of that name, and not the name of a property. */
function isUse(node) {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent) || ts.isMethodDeclaration(parent))
    return parent.name !== node;
  const names = [ts.isVariableDeclaration, ts.isParameter, ts.isBindingElement, ts.isShorthandPropertyAssignment, ts.isFunctionDeclaration];
  if (names.some((is) => is(parent))) throw new Error(`${node.getSourceFile().fileName}: ${node.text} is an import and something else`);
  return true;
}

/** Whether what is in this node is evaluated later than the node. */
function isLater(node) {
  const isStatic = node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword);
  return ts.isFunctionLike(node) || (ts.isPropertyDeclaration(node) && !isStatic);
}

/**
 * The module as CommonJS in which each variable of an import is a function that loads it. `imports`
 * are what it imports, by specifier: the `properties` that it reads of each, and whether it reads any `now`, while it is itself evaluated.
 */
export function lazyModule(file) {
  const source = readFileSync(`${root}${file}`, 'utf8');
  const { outputText } = ts.transpileModule(source, { fileName: file, compilerOptions });
  const tree = ts.createSourceFile(file, outputText, ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS);
  const imports = new Map();
  const importOf = (specifier) => imports.get(specifier) ?? imports.set(specifier, { properties: new Set(), now: false }).get(specifier);
  const specifiers = new Map();
  const edits = [];

  const visit = (node, now) => {
    const load = importedAs(node);
    if (load !== null) {
      specifiers.set(load.name, load.specifier);
      importOf(load.specifier);
      const text = `let ${load.name}$; const ${load.name} = () => ${load.name}$ ??= require(${JSON.stringify(load.specifier)});`;
      edits.push({ start: node.getStart(), end: node.end, text });
      return;
    }
    if (isRequire(node)) importOf(node.arguments[0].text).now = true;
    if (ts.isIdentifier(node) && specifiers.has(node.text) && isUse(node)) {
      const used = importOf(specifiers.get(node.text));
      used.now ||= now;
      if (ts.isPropertyAccessExpression(node.parent)) used.properties.add(node.parent.name.text);
      // in parentheses, for `new` takes the first call to be its own
      edits.push({ start: node.getStart(), end: node.end, text: `(${node.text}())` });
    }
    if (ts.isMetaProperty(node)) edits.push({ start: node.getStart(), end: node.parent.end, text: OWN_URL });
    // a name in brackets is evaluated with the class
    ts.forEachChild(node, (child) => visit(child, now && (child === node.name || !isLater(node))));
  };
  visit(tree, true);

  let code = '';
  let done = 0;
  for (const { start, end, text } of edits) {
    code += outputText.slice(done, start) + text;
    done = end;
  }
  return { code: code + outputText.slice(done), imports };
}
