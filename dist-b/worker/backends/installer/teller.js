export function terminalTeller(screen = process.stderr) {
    let shownLine = '';
    const draw = (line) => {
        if (line === shownLine)
            return;
        shownLine = line;
        screen.write(screen.isTTY === true ? `\r${line}\u001b[K` : `${line}\n`);
    };
    const end = () => {
        if (screen.isTTY === true && shownLine !== '')
            screen.write('\n');
        shownLine = '';
    };
    return {
        say(line) {
            end();
            screen.write(`${line}\n`);
        },
        progress(what, doneBytes, totalBytes) {
            const step = screen.isTTY === true ? 1 : 10;
            const percent = Math.floor((doneBytes / totalBytes) * (100 / step)) * step;
            draw(`  ${what} ${percent}% of ${Math.round(totalBytes / 1e6)} MB`);
            if (doneBytes >= totalBytes)
                end();
        },
    };
}
//# sourceMappingURL=teller.js.map