"""The photo composed on a ground of its own, larger than its place in the frame, so that a camera can move over it.

Four ways: a product on a plain ground stands on more of that ground; a scene that nearly has the place's shape fills
it; a studio photo whose edges are smooth is continued beyond them; any other stands whole before a blurred enlargement
of itself. Knows no text and no time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

from model.storyboard.motion import PAN_LIMIT

OVERSCAN = PAN_LIMIT + 0.003
"""Margin around the view on each side, as a share of the place: what the camera's pan may uncover."""
DENSITY = 1.06
"""Stage pixels per frame pixel at rest: sharp at the far end of the push-in without costing much at rest."""

_PLAIN_SPREAD = 14.0
"""Levels by which a border may vary (90th percentile from its own smooth gradient) and still count as plain."""
_ROUGHNESS = 4.0
"""Levels by which an edge may leave its own running mean (95th percentile) and still be continued without streaks."""
_LOSS = 1.04
"""A continued photo is enlarged by this over just fitting: its outermost edges may go, the product stays large."""
_CROP = 0.80
"""Least share of a scene that must stay visible for it to fill its place."""
_FILL = 0.78
"""Share of the place that a product on a plain ground takes up."""
_WHOLE = 0.87
"""Share of the place that a whole scene before its blurred self takes up."""
_MOST_ENLARGED = 3.0
"""A tiny photo is not blown up further than this."""

_Field = npt.NDArray[np.float32]
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Stage:
    """A composed picture and the place in the frame it fills."""

    picture: Image.Image
    place: Size

    def view(self, zoom: float, shift_x: float, shift_y: float) -> Image.Image:
        """What the camera sees, at the place's size. Shifts are shares of the place, at most OVERSCAN."""
        wide, high = self.place[0] * DENSITY / zoom, self.place[1] * DENSITY / zoom
        left = (self.picture.width - wide) / 2 + shift_x * self.place[0] * DENSITY
        top = (self.picture.height - high) / 2 + shift_y * self.place[1] * DENSITY
        return self.picture.resize(self.place, Image.Resampling.BILINEAR, box=(left, top, left + wide, top + high))


def compose(photo: Image.Image, place: Size) -> Stage:
    """Compose an RGB photo for a place of the frame (width, height in pixels)."""
    size = (_stage_length(place[0]), _stage_length(place[1]))
    ground = _plain_ground(photo)
    if ground is not None:
        picture = _on_more_ground(photo, ground, size, place)
    elif _visible_share(photo.size, size) >= _CROP:
        picture = _filled(photo, size)
    elif _smooth_rim(photo):
        picture = _continued(photo, size)
    else:
        picture = _before_itself(photo, size, place)
    return Stage(picture, place)


def _stage_length(length: int) -> int:
    return round(length * (1 + 2 * OVERSCAN) * DENSITY) + 2


def _visible_share(photo: Size, size: Size) -> float:
    ratio = (photo[0] / photo[1]) / (size[0] / size[1])
    return min(ratio, 1 / ratio)


def _plain_ground(photo: Image.Image) -> _Field | None:
    """The colours of the four corners (2×2×3) when the border is one smooth gradient between them; else None."""
    small = np.asarray(photo.resize((64, 64), Image.Resampling.BOX), dtype=np.float32)
    corners = np.array(
        [[np.median(small[rows, columns].reshape(-1, 3), axis=0) for columns in _ENDS] for rows in _ENDS],
        dtype=np.float32,
    )
    away = np.abs(small - _gradient(corners, 64, 64)).max(axis=2)
    rim = np.concatenate([away[0], away[-1], away[:, 0], away[:, -1]])
    return corners if float(np.percentile(rim, 90)) <= _PLAIN_SPREAD else None


_ENDS = (slice(0, 5), slice(-5, None))


def _gradient(
    corners: _Field, width: int, height: int, reach: tuple[float, float, float, float] = (0, 0, 1, 1)
) -> _Field:
    """Bilinear between four corners over the reach (left, top, right, bottom) in their unit square; clamped outside."""
    x = np.clip(np.linspace(reach[0], reach[2], width, dtype=np.float32), 0, 1)[None, :, None]
    y = np.clip(np.linspace(reach[1], reach[3], height, dtype=np.float32), 0, 1)[:, None, None]
    top = corners[0, 0] * (1 - x) + corners[0, 1] * x
    bottom = corners[1, 0] * (1 - x) + corners[1, 1] * x
    field: _Field = top * (1 - y) + bottom * y
    return field


def _on_more_ground(photo: Image.Image, corners: _Field, size: Size, place: Size) -> Image.Image:
    """The product, cut loose from the photo's margins, centred on its extended ground with a little studio light."""
    left, top, right, bottom = _product_box(photo, corners)
    room = min(_FILL * place[0] * DENSITY / (right - left), _FILL * place[1] * DENSITY / (bottom - top))
    scale = min(room, _MOST_ENLARGED)
    wide, high = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    # The product's middle comes to the stage's middle; the photo's own margins go wherever that puts them.
    x = round(size[0] / 2 - (left + right) / 2 * scale)
    y = round(size[1] / 2 - (top + bottom) / 2 * scale)
    reach = (-x / wide, -y / high, (size[0] - x) / wide, (size[1] - y) / high)
    light = _studio_light(size)
    field = _gradient(corners, size[0], size[1], reach) * light[..., None]
    ground = Image.fromarray((field + 0.5).astype(np.uint8))
    scaled = photo.resize((wide, high), Image.Resampling.LANCZOS)
    ground.paste(_relit(scaled, light, (x, y)), (x, y), _feather((wide, high)))
    return ground


def _relit(photo: Image.Image, light: _Field, corner: tuple[int, int]) -> Image.Image:
    """The photo in the stage's light, so that its rectangle never shows."""
    rows = np.clip(np.arange(photo.height) + corner[1], 0, light.shape[0] - 1)
    columns = np.clip(np.arange(photo.width) + corner[0], 0, light.shape[1] - 1)
    lit = np.asarray(photo, dtype=np.float32) * light[np.ix_(rows, columns)][..., None]
    return Image.fromarray((lit + 0.5).astype(np.uint8))  # light never exceeds 1: no clipping needed


def _studio_light(size: Size) -> _Field:
    """1 in the middle, 0.93 in the corners: depth on a flat ground, and something to see when the camera moves."""
    x = np.linspace(-1, 1, size[0], dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, size[1], dtype=np.float32)[:, None]
    fall = np.clip((x * x + y * y) / 2, 0, 1) ** 1.5
    return (1.0 - 0.07 * fall).astype(np.float32)


def _product_box(photo: Image.Image, corners: _Field) -> tuple[int, int, int, int]:
    """The box of what differs from the ground, in the photo's pixels; all of the photo when nothing does."""
    ground = Image.fromarray(_gradient(corners, photo.width, photo.height).astype(np.uint8))
    away = ImageChops.difference(photo, ground).convert("L").filter(ImageFilter.BoxBlur(1))
    return away.point([255 if level > 12 else 0 for level in range(256)]).getbbox() or (0, 0, *photo.size)


def _feather(size: Size) -> Image.Image:
    """Opaque, fading over the outermost 3 %: hides the seam between a photo and its extended ground."""
    rim = max(1, round(0.03 * min(size)))
    fade_x = _ramp(size[0], rim)
    fade_y = _ramp(size[1], rim)
    return Image.fromarray((np.minimum(fade_x[None, :], fade_y[:, None]) * 255).astype(np.uint8))


def _ramp(length: int, rim: int) -> _Field:
    steps = np.arange(length, dtype=np.float32)
    ramp: _Field = np.clip(np.minimum(steps, length - 1 - steps) / rim, 0, 1)
    return ramp


def _filled(photo: Image.Image, size: Size) -> Image.Image:
    """The middle of the photo at the stage's shape and size."""
    scale = max(size[0] / photo.width, size[1] / photo.height)
    wide, high = size[0] / scale, size[1] / scale
    left, top = max(0.0, (photo.width - wide) / 2), max(0.0, (photo.height - high) / 2)
    wide, high = min(wide, photo.width - left), min(high, photo.height - top)  # rounding may not reach outside
    return photo.resize(size, Image.Resampling.LANCZOS, box=(left, top, left + wide, top + high))


def _smooth_rim(photo: Image.Image) -> bool:
    """True when colours change only slowly along every edge and just inside it."""
    small = np.asarray(photo.resize((_CELLS, _CELLS), Image.Resampling.BOX), dtype=np.float32)
    rough = []
    for edge in (small[:3], small[-3:], small[:, :3].swapaxes(0, 1), small[:, -3:].swapaxes(0, 1)):
        calm = np.pad(edge, ((0, 0), (3, 3), (0, 0)), mode="edge")
        mean = np.lib.stride_tricks.sliding_window_view(calm, 7, axis=1).mean(axis=-1)
        rough.append(float(np.percentile(np.abs(edge - mean).max(axis=2), 95)))
    return max(rough) <= _ROUGHNESS


_CELLS = 64


def _continued(photo: Image.Image, size: Size) -> Image.Image:
    """The photo with its own edge colours carried on to all sides."""
    fitting = min(size[0] / photo.width, size[1] / photo.height)
    scale = min(fitting * _LOSS, max(size[0] / photo.width, size[1] / photo.height))
    wide, high = round(photo.width * scale), round(photo.height * scale)
    x, y = (size[0] - wide) // 2, (size[1] - high) // 2
    small = photo.resize((_CELLS, _CELLS), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(1))
    cell_x, cell_y = wide / _CELLS, high / _CELLS
    more_x, more_y = int(max(x, 0) / cell_x) + 2, int(max(y, 0) / cell_y) + 2
    padded = np.pad(np.asarray(small), ((more_y, more_y), (more_x, more_x), (0, 0)), mode="edge")
    left, top = more_x - x / cell_x, more_y - y / cell_y
    box = (left, top, left + size[0] / cell_x, top + size[1] / cell_y)
    ground = Image.fromarray(padded).resize(size, Image.Resampling.BICUBIC, box=box)
    ground.paste(photo.resize((wide, high), Image.Resampling.LANCZOS), (x, y), _feather((wide, high)))
    return ground


def _before_itself(photo: Image.Image, size: Size, place: Size) -> Image.Image:
    """The whole photo, rounded and with a shadow, before a blurred and calmed enlargement."""
    tiny = _filled(photo, (max(2, size[0] // 8), max(2, size[1] // 8))).filter(ImageFilter.GaussianBlur(5))
    ground = ImageEnhance.Brightness(ImageEnhance.Color(tiny).enhance(0.8)).enhance(0.82)
    ground = ground.resize(size, Image.Resampling.BICUBIC)
    limit = (_WHOLE * place[0] * DENSITY, _WHOLE * place[1] * DENSITY)
    scale = min(limit[0] / photo.width, limit[1] / photo.height)
    inner = photo.resize(
        (max(1, round(photo.width * scale)), max(1, round(photo.height * scale))), Image.Resampling.LANCZOS
    )
    corner = ((size[0] - inner.width) // 2, (size[1] - inner.height) // 2)
    shape = _rounded(inner.size, round(0.03 * min(size)))
    shadow = Image.new("L", size, 0)
    shadow.paste(shape.point([level * 110 // 255 for level in range(256)]), (corner[0], corner[1] + size[1] // 60))
    ground.paste((0, 0, 0), None, shadow.filter(ImageFilter.GaussianBlur(max(4, size[1] // 40))))
    ground.paste(inner, corner, shape)
    return ground


def _rounded(size: Size, radius: int) -> Image.Image:
    # Drawn at four times the size: Pillow's shapes have hard edges.
    large = Image.new("L", (size[0] * 4, size[1] * 4), 0)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, size[0] * 4 - 1, size[1] * 4 - 1), radius * 4, fill=255)
    return large.resize(size, Image.Resampling.BOX)
