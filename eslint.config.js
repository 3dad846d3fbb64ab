import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Strict, with types. What is switched off or narrowed stands here with its reason, and nowhere else. */
export default defineConfig(
  // AssemblyScript has a compiler of its own; examples are read as a user writes them.
  globalIgnores(['dist', 'runs', '.cache', '**/assembly', 'examples']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: ['./tsconfig.json', './coordinator/page/browser/tsconfig.json'] } },
    rules: {
      eqeqeq: 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // Messages are made of numbers and flags.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // `() => void` callbacks of one expression stay one line.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidOperator: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // Over a typed array `for (const x of xs)` takes several times as long, and an ArrayLike cannot be iterated over.
      '@typescript-eslint/prefer-for-of': 'off',
      // An implementation of an asynchronous interface may have nothing to wait for: `async` turns its errors into rejections.
      '@typescript-eslint/require-await': 'off',
      // `_name` is a parameter or a part that is left out on purpose.
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'all' },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // What a test reads from JSON is judged by its assertions.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // Fakes do nothing.
      '@typescript-eslint/no-empty-function': 'off',
    },
  },
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        fetch: 'readonly',
        URL: 'readonly',
        Buffer: 'readonly',
        AbortSignal: 'readonly',
      },
    },
  },
);
