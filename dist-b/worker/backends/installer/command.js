/** Runs other programs: npm, pip, the compiler. Never through a shell. */
import { spawn } from 'node:child_process';
/** Resolves when it has ended, whatever its exit code. */
export function runCommand(command, args, options = {}) {
    const { cwd, env = process.env, showOutput = false } = options;
    return new Promise((resolve) => {
        const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
        let stdout = '';
        let stderr = '';
        child.stdout.setEncoding('utf8').on('data', (text) => {
            stdout += text;
            if (showOutput)
                process.stderr.write(text);
        });
        child.stderr.setEncoding('utf8').on('data', (text) => {
            stderr += text;
            if (showOutput)
                process.stderr.write(text);
        });
        child.on('error', (error) => resolve({ code: null, stdout, stderr: stderr || error.message, isMissing: error.code === 'ENOENT' }));
        child.on('close', (code) => resolve({ code, stdout, stderr, isMissing: false }));
    });
}
/** The last lines of what a command said, as one line for a message. */
export function lastWords({ stderr, stdout }, lines = 3) {
    const said = (stderr.trim() || stdout.trim()).split('\n').filter((line) => line.trim() !== '');
    return said.slice(-lines).map((line) => line.trim()).join(' | ').slice(0, 500);
}
//# sourceMappingURL=command.js.map