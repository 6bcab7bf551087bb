"use strict";
/* The three planes of a case: what they show, and how one moves through them. */

const AXES = [
  // along: the axes (z, y, x) that go down and right; signs: whether their indices grow that way,
  // and `on`, whether the slices' index grows from a slice to the next
  { name: "axial", axis: 0, along: [1, 2], signs: [1, 1], on: -1 },
  { name: "coronal", axis: 1, along: [0, 2], signs: [-1, 1], on: 1 },
  { name: "sagittal", axis: 2, along: [0, 1], signs: [-1, 1], on: 1 },
];
// what lies where an axis begins and ends
const ENDS = [["feet", "head"], ["front", "back"], ["right", "left"]];
const LETTERS = { feet: "F", head: "H", front: "A", back: "P", right: "R", left: "L" };
const WHEEL = 40; // pixels of a trackpad's wheel to a slice; so is a notch of a mouse
const MARKED = "rgba(240, 200, 110, .9)";

/* A case's voxels (z, y, x), unpacked. */
function unpack(stored) {
  const text = atob(stored.voxels);
  const voxels = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) voxels[i] = text.charCodeAt(i);
  return { ...stored, voxels, middle: stored.shape.map((n) => Math.floor(n / 2)) };
}

/* The side in mm of the square, the middle in its center, that every plane of every case fills. */
function commonField(cases) {
  const sides = cases.flatMap(({ shape, spacing }) =>
    shape.map((n, i) => 2 * (n - 1 - Math.floor(n / 2) + 0.5) * spacing[i]));
  return Math.min(...sides);
}

/* For each of `pixels` over `field` mm, the four voxels it lies between and their weights
   (Catmull-Rom: smooth, and a voxel's own value where it lies). */
function taps(pixels, field, shown, axis, sign) {
  const last = shown.shape[axis] - 1;
  const at = new Int32Array(4 * pixels);
  const weights = new Float32Array(4 * pixels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const index =
      shown.middle[axis] + (sign * field * ((pixel + 0.5) / pixels - 0.5)) / shown.spacing[axis];
    const first = Math.floor(index);
    const t = index - first;
    const four = [
      ((2 - t) * t - 1) * t, (3 * t - 5) * t * t + 2, ((4 - 3 * t) * t + 1) * t, (t - 1) * t * t,
    ];
    for (let i = 0; i < 4; i++) {
      at[4 * pixel + i] = Math.min(Math.max(first - 1 + i, 0), last);
      weights[4 * pixel + i] = four[i] / 2;
    }
  }
  return { at, weights };
}

/* A slice of a case as grays of pixels x pixels, `slice` its index along the plane's axis. */
function resampled(shown, plane, slice, field, pixels) {
  const strides = [shown.shape[1] * shown.shape[2], shown.shape[2], 1];
  const [down, right] = plane.along.map((axis, i) =>
    taps(pixels, field, shown, axis, plane.signs[i]));
  const rows = shown.shape[plane.along[0]];
  const wide = new Float32Array(rows * pixels);
  for (let row = 0; row < rows; row++) {
    const start = slice * strides[plane.axis] + row * strides[plane.along[0]];
    const voxel = (tap) => shown.voxels[start + right.at[tap] * strides[plane.along[1]]];
    for (let x = 0; x < pixels; x++) {
      let sum = 0;
      for (let tap = 4 * x; tap < 4 * x + 4; tap++) sum += right.weights[tap] * voxel(tap);
      wide[row * pixels + x] = sum;
    }
  }
  const grays = new Float32Array(pixels * pixels);
  for (let y = 0; y < pixels; y++)
    for (let tap = 4 * y; tap < 4 * y + 4; tap++) {
      const [weight, from, to] = [down.weights[tap], down.at[tap] * pixels, y * pixels];
      for (let x = 0; x < pixels; x++) grays[to + x] += weight * wide[from + x];
    }
  return grays;
}

/* One plane on the screen. `view` is what all three share: field, reach, marker, and the window and
   the scale of gray in HU; `changeWindow` moves the window by HU of level and width. */
class Plane {
  constructor(plane, view, changeWindow) {
    Object.assign(this, { plane, view, changeWindow, offset: 0, wheel: 0 });
    this.figure = document.createElement("figure");
    this.figure.tabIndex = 0;
    this.figure.id = plane.name;
    this.figure.setAttribute("role", "slider");
    this.figure.setAttribute("aria-label", `${plane.name} slices`);
    this.caption = document.createElement("figcaption");
    this.canvas = document.createElement("canvas");
    this.slider = document.createElement("input");
    Object.assign(this.slider, { type: "range", step: 1, tabIndex: -1 });
    this.slider.setAttribute("aria-hidden", "true"); // the figure is the slider of the keyboard
    this.figure.append(this.caption, this.canvas, this.slider);
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.slider.addEventListener("pointerup", () => this.figure.focus()); // for the arrow keys
    this.canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    this.canvas.addEventListener("pointerdown", (event) => this.drag(event));
    this.figure.addEventListener("wheel", (event) => this.scroll(event), { passive: false });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  /* Show a case from its middle. */
  show(shown) {
    this.shown = shown;
    const { axis } = this.plane;
    const inside = Math.min(shown.middle[axis], shown.shape[axis] - 1 - shown.middle[axis]);
    const spacing = shown.spacing[axis];
    this.last = Math.min(Math.floor(this.view.reach / spacing + 1e-6), inside); // slices
    Object.assign(this.slider, { min: -this.last, max: this.last });
    this.figure.setAttribute("aria-valuemin", (-this.last * spacing).toFixed(1));
    this.figure.setAttribute("aria-valuemax", (this.last * spacing).toFixed(1));
    this.go(0);
  }

  /* Show the slice `offset` slices on from the middle, or the last one on that side. */
  go(offset) {
    this.offset = Math.min(Math.max(offset, -this.last), this.last);
    this.slider.value = this.offset;
    const mm = this.offset * this.shown.spacing[this.plane.axis];
    const to = ENDS[this.plane.axis][mm * this.plane.on < 0 ? 0 : 1];
    const where = this.offset ? `${Math.abs(mm).toFixed(1)} mm to the ${to}` : "middle";
    this.caption.textContent = `${this.plane.name} · ${where}`;
    this.figure.setAttribute("aria-valuenow", mm.toFixed(1));
    this.figure.setAttribute("aria-valuetext", where);
    this.draw();
  }

  scroll(event) {
    event.preventDefault();
    const pixels = event.deltaY * [1, WHEEL, 10 * WHEEL][event.deltaMode];
    if (pixels * this.wheel < 0) this.wheel = 0;
    this.wheel += Math.min(Math.max(pixels, -WHEEL), WHEEL);
    const slices = Math.trunc(this.wheel / WHEEL);
    this.wheel -= slices * WHEEL;
    if (slices) this.go(this.offset + slices);
  }

  /* Through the slices with the left button or a finger, the window with the right button. */
  drag(start) {
    if (start.button !== 0 && start.button !== 2) return;
    const from = this.offset;
    let { clientX: x, clientY: y } = start;
    const move = (event) => {
      if (start.button === 0) {
        const part = (event.clientY - start.clientY) / this.canvas.clientHeight;
        this.go(from + Math.round(part * (2 * this.last + 1)));
      } else {
        this.changeWindow(event.clientY - y, 2 * (event.clientX - x));
        [x, y] = [event.clientX, event.clientY];
      }
    };
    this.canvas.setPointerCapture(start.pointerId);
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("lostpointercapture",
      () => this.canvas.removeEventListener("pointermove", move), { once: true });
  }

  draw() {
    const side = Math.round(this.canvas.clientWidth * window.devicePixelRatio);
    if (!this.shown || !side) return;
    const { black, white, low, high, field } = this.view;
    const slice = this.shown.middle[this.plane.axis] + this.plane.on * this.offset;
    const grays = resampled(this.shown, this.plane, slice, field, side);
    this.canvas.width = this.canvas.height = side;
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(side, side);
    const slope = (white - black) / (high - low); // of what is shown over gray
    const start = (255 * (black - low)) / (high - low);
    for (let i = 0; i < grays.length; i++) {
      const bright = start + slope * Math.min(Math.max(grays[i], 0), 255);
      image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = bright; // it clamps
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    this.annotate(context, side, side / this.canvas.clientWidth);
  }

  /* The marker, the directions, and a bar of 10 mm. */
  annotate(context, side, scale) {
    context.lineWidth = 1.5 * scale;
    if (this.view.marker) {
      context.strokeStyle = MARKED;
      const [near, far] = [0.16, 0.21].map((part) => part * side);
      context.setLineDash(this.offset ? [3 * scale, 3 * scale] : []);
      context.beginPath();
      for (const [x, y] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(side / 2 + x * near, side / 2 + y * near);
        context.lineTo(side / 2 + x * far, side / 2 + y * far);
      }
      context.stroke();
      context.setLineDash([]);
    }
    context.fillStyle = context.strokeStyle = "rgba(225, 232, 240, .75)";
    context.font = `${12 * scale}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const edge = 11 * scale;
    this.plane.along.forEach((axis, i) => {
      const letters = ENDS[axis].map((end) => LETTERS[end]);
      const [first, last] = this.plane.signs[i] > 0 ? letters : letters.reverse();
      context.fillText(first, ...(i ? [edge, side / 2] : [side / 2, edge]));
      context.fillText(last, ...(i ? [side - edge, side / 2] : [side / 2, side - edge]));
    });
    const bar = (10 / this.view.field) * side;
    context.beginPath();
    context.moveTo(side - edge - bar, side - edge);
    context.lineTo(side - edge, side - edge);
    context.stroke();
    context.fillText("10 mm", side - edge - bar / 2, side - 2 * edge);
  }
}
