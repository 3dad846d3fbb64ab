/** The few things that are done to the document. All that is shown goes in as text, never as markup. */

/** The element of the document with this id. @throws where the document has none */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element ${id}`);
  return found;
}

/** An element with a class and children; strings become text. */
export function make(tag: string, className = '', ...children: readonly (Node | string)[]): HTMLElement {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...children);
  return element;
}

/** Sets the text of an element that has no other children, if it is another. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Writes rows into a table's body: rows that are there already are reused, cell by cell. */
export function setRows(body: HTMLElement, rows: readonly (readonly string[])[], headed = 0): void {
  while (body.children.length > rows.length) body.lastElementChild?.remove();
  rows.forEach((cells, i) => {
    let row = body.children[i];
    if (row?.children.length !== cells.length) {
      const made = document.createElement('tr');
      for (let k = 0; k < cells.length; k++) {
        const cell = document.createElement(k === headed ? 'th' : 'td');
        if (k === headed) cell.setAttribute('scope', 'row');
        made.append(cell);
      }
      if (row === undefined) body.append(made);
      else row.replaceWith(made);
      row = made;
    }
    cells.forEach((text, k) => {
      const cell = row.children[k];
      if (cell !== undefined) setText(cell, text);
    });
  });
}
