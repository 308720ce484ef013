// Boxes as [x0, y0, x1, y1] in px of the picture. Every function returns a new one.

export const same = (a, b) => a.every((edge, i) => edge === b[i]);

const side = (a, b) => b - a;

// How far a box may reach: the picture, or as far as what was proposed.
export function reach(width, height, proposed) {
  return [
    Math.min(0, proposed[0]), Math.min(0, proposed[1]),
    Math.max(width, proposed[2]), Math.max(height, proposed[3]),
  ];
}

export function moved(box, dx, dy, limits) {
  dx = Math.max(limits[0] - box[0], Math.min(limits[2] - box[2], Math.round(dx)));
  dy = Math.max(limits[1] - box[1], Math.min(limits[3] - box[3], Math.round(dy)));
  return [box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy];
}

// About its centre, as far as there is room; its proportions stay.
export function scaled(box, grow, limits, minSide) {
  const [w, h] = [side(box[0], box[2]), side(box[1], box[3])];
  const least = Math.min(1, minSide / Math.min(w, h));
  const most = Math.min(side(limits[0], limits[2]) / w, side(limits[1], limits[3]) / h);
  const factor = Math.min(most, Math.max(least, 1 + grow / Math.max(w, h)));
  return around((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, w * factor, h * factor, limits);
}

function around(cx, cy, w, h, limits) {
  [w, h] = [Math.round(w), Math.round(h)];
  const [x0, y0] = [Math.round(cx - w / 2), Math.round(cy - h / 2)];
  return moved([x0, y0, x0 + w, y0 + h], 0, 0, limits);
}

// One side by so many px, the opposite one stays where it is (for boxes without fixed proportions).
export function stretched(box, dw, dh, limits, minSide) {
  const x1 = Math.min(limits[2], Math.max(box[0] + minSide, box[2] + dw));
  const y1 = Math.min(limits[3], Math.max(box[1] + minSide, box[3] + dh));
  return [box[0], box[1], Math.round(x1), Math.round(y1)];
}

// A corner is dragged to (x, y), the opposite corner stays. `aspect` is w / h to keep, or null.
export function dragged(box, corner, x, y, limits, { minSide, aspect }) {
  const [west, north] = [corner.includes("w"), corner.includes("n")];
  const [fx, fy] = [west ? box[2] : box[0], north ? box[3] : box[1]];
  const roomX = west ? fx - limits[0] : limits[2] - fx;
  const roomY = north ? fy - limits[1] : limits[3] - fy;
  let w = Math.min(roomX, Math.max(minSide, west ? fx - x : x - fx));
  let h = Math.min(roomY, Math.max(minSide, north ? fy - y : y - fy));
  if (aspect) {
    w = Math.min(roomX, roomY * aspect, Math.max(w, h * aspect, minSide * Math.max(1, aspect)));
    h = w / aspect;
  }
  [w, h] = [Math.round(w), Math.round(h)];
  const [x0, y0] = [west ? fx - w : fx, north ? fy - h : fy];
  return [x0, y0, x0 + w, y0 + h];
}
