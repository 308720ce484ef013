// Which key does what; the help is made of the same table.

// [command, keys, words]; a command with `single` works in the single view only.
export const KEYS = [
  ["Decide"],
  ["accept", ["A"], "accept"],
  ["reject", ["R", "X"], "reject"],
  ["reason", ["1 … 9"], "reject with the reason of that number"],
  ["undo", ["U", "Ctrl+Z"], "undo what you decided last"],
  ["clear", ["Backspace", "Delete"], "take back the decision on this crop"],
  ["accept-page", ["Shift+A"], "sheet: accept all undecided on this page, next page"],
  ["Move about"],
  ["next", ["ArrowRight", "F"], "next"],
  ["previous", ["ArrowLeft", "B"], "previous"],
  ["up", ["ArrowUp"], "sheet: row above"],
  ["down", ["ArrowDown"], "sheet: row below"],
  ["next-page", ["PageDown", "Space"], "next page"],
  ["previous-page", ["PageUp", "Shift+Space"], "previous page"],
  ["first", ["Home"], "first"],
  ["last", ["End"], "last"],
  ["next-undecided", ["N"], "next undecided"],
  ["toggle-view", ["Enter", "V"], "look closer, back to the sheet"],
  ["sheet", ["Escape"], "back to the sheet"],
  ["filter", ["/"], "filter and sort (Escape returns)"],
  ["relist", ["="], "list anew by filter and order"],
  ["help", ["?"], "this help"],
  ["Correct the box (single view; a letter with Shift: by 1 px)"],
  ["left", ["H", "Shift+ArrowLeft"], "move left", "single"],
  ["box-down", ["J", "Shift+ArrowDown"], "move down", "single"],
  ["box-up", ["K", "Shift+ArrowUp"], "move up", "single"],
  ["right", ["L", "Shift+ArrowRight"], "move right", "single"],
  ["smaller", ["S", "Ctrl+ArrowDown"], "smaller", "single"],
  ["larger", ["D", "Ctrl+ArrowUp"], "larger", "single"],
  ["narrower", ["Ctrl+ArrowLeft"], "object: narrower; window: smaller", "single"],
  ["wider", ["Ctrl+ArrowRight"], "object: wider; window: larger", "single"],
  ["other-box", ["O"], "the other box: window, object", "single"],
  ["reset-box", ["0"], "as proposed", "single"],
];

const FINE = ["H", "J", "K", "L", "S", "D"];
const COMMANDS = new Map();
for (const [command, keys, , view] of KEYS.filter((row) => row.length > 1)) {
  for (const key of keys) COMMANDS.set(key, { command, view });
}

function nameOf(event) {
  let key = event.key === " " ? "Space" : event.key;
  const isLetter = /^[a-z]$/i.test(key);
  if (isLetter) key = key.toUpperCase();
  // Signs such as ? and / are typed with Shift on some keyboards.
  const shift = event.shiftKey && (isLetter || key.length > 1) ? "Shift+" : "";
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${shift}${key}`;
}

// The command of a key press as {command, number, isFine}, or null.
export function commandOf(event, { isSingle, withLetters }) {
  if (event.altKey || event.isComposing) return null;
  const name = nameOf(event);
  if (name.length === 1 && !withLetters) return null;
  if (/^[1-9]$/.test(name)) return { command: "reason", number: Number(name) };
  const plain = name.replace("Shift+", "");
  const isFine = name !== plain && FINE.includes(plain) && isSingle;
  if (isFine && !withLetters) return null;
  const found = COMMANDS.get(isFine ? plain : name);
  if (!found || (found.view === "single" && !isSingle)) return null;
  return { command: found.command, isFine };
}

const SHOWN = {
  ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", PageDown: "Page ↓",
  PageUp: "Page ↑", Enter: "↵", Escape: "Esc",
};

export function fillHelp(container) {
  let list = null;
  for (const [title, keys, words] of KEYS) {
    if (!keys) {
      const heading = document.createElement("h3");
      heading.textContent = title;
      list = document.createElement("dl");
      container.append(heading, list);
      continue;
    }
    const term = document.createElement("dt");
    keys.forEach((key, i) => {
      const shown = document.createElement("kbd");
      shown.textContent = key.split("+").map((part) => SHOWN[part] ?? part).join(" ");
      term.append(...(i ? [" ", shown] : [shown]));
    });
    const meaning = document.createElement("dd");
    meaning.textContent = words;
    list.append(term, meaning);
  }
}
