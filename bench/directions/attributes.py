# SPDX-License-Identifier: MIT OR Apache-2.0
"""Attributes of a generated face: pose and geometry from FaceMesh, gender and age from faceres, light from pixels.

A picture is uint8 [256, 256, 3], aligned as FFHQ.
"""
import numpy as np
import onnxruntime as ort
from PIL import Image

MESH_BOX = (22, 38, 234, 250)  # crop of the face for FaceMesh: left, top, right, bottom
RES_BOX = (22, 30, 234, 242)  # crop for faceres
BGR_MEAN = np.array([103.94, 116.78, 123.68], "f4")
# Eyes, nose and mouth corners in ArcFace's 112 px crop.
ARCFACE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])

GEOMETRY = ["yaw", "pitch", "roll", "mouth_open", "mouth_width", "mouth_corners", "eyes_open", "brows", "frown", "lips",
            "face_width", "jaw", "nose_width", "eye_dist"]
PIXELS = ["lum", "side_light", "contrast", "red", "glasses", "bg", "gaze"]
NAMES = GEOMETRY + PIXELS + ["gender", "age"]
INDEX = {name: i for i, name in enumerate(NAMES)}


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Networks:
    """folder has facemesh.onnx, faceres.onnx and mobileface.onnx."""

    def __init__(self, folder):
        self.mesh, self.res, self.mobile = (session(folder / (n + ".onnx")) for n in ("facemesh", "faceres", "mobileface"))

    def measure(self, image):
        """Attributes [len(NAMES)], faceres features [1024], mobileface features [256] of length 1, presence of a face."""
        picture = Image.fromarray(image)
        crop = np.asarray(picture.resize((192, 192), Image.BILINEAR, box=MESH_BOX))
        points, presence = self.mesh.run(["Identity_2", "Identity_1"], {"input_1": crop[None].astype("f4") / 255})
        points = points.reshape(468, 3) * (212 / 192)
        crop = np.asarray(picture.resize((224, 224), Image.BILINEAR, box=RES_BOX)).astype("f4")[:, :, ::-1] - BGR_MEAN
        gender, features, age = self.res.run(["gender_pred/Sigmoid", "global_pooling/Mean", "age_pred/Softmax"],
                                             {self.res.get_inputs()[0].name: crop[None]})
        gender = np.clip(gender.item(), 1e-4, 1 - 1e-4)
        faceres = [np.log(gender / (1 - gender)), (age.ravel() * np.arange(100)).sum()]
        values = np.concatenate([geometry(points), pixels(image, points), faceres])
        return values, features.ravel(), self.mobileface(picture, points), presence.item()

    def mobileface(self, picture, points):
        """Identity features for evaluation. Directions are not learned from them."""
        eyes = [points[[33, 133, 159, 145]].mean(0), points[[263, 362, 386, 374]].mean(0)]
        found = np.array(eyes + [points[1], points[61], points[291]])[:, :2] + MESH_BOX[:2]
        a, b = ((p - p.mean(0)) @ [1, 1j] for p in (found, ARCFACE))
        z = (np.conj(a) @ a) / (np.conj(a) @ b)  # rotation and scale from the template to the picture
        linear = np.array([[z.real, -z.imag], [z.imag, z.real]])
        offset = found.mean(0) - linear @ ARCFACE.mean(0)
        matrix = [*linear[0], offset[0], *linear[1], offset[1]]
        crop = np.asarray(picture.transform((112, 112), Image.AFFINE, matrix, Image.BILINEAR)).astype("f4")
        features = self.mobile.run(None, {"data": crop[None]})[0].ravel()
        return features / np.linalg.norm(features)


def geometry(p):
    """Angles in degrees; lengths in a frame that turns with the head, relative to its size."""
    across, down, eyes = p[454] - p[234], p[152] - p[10], p[263] - p[33]
    angles = np.degrees([np.arctan2(across[2], across[0]), np.arctan2(down[2], down[1]), np.arctan2(eyes[1], eyes[0])])
    x = across / np.linalg.norm(across)
    y = down - (down @ x) * x
    y /= np.linalg.norm(y)
    q = (p - p.mean(0)) @ np.stack([x, y, np.cross(x, y)]).T
    q /= (np.linalg.norm(down) / 1.72 + np.linalg.norm(q[33] - q[263])) / 2

    def length(a, b):
        return np.linalg.norm(q[a] - q[b])

    def height(*points):
        return q[list(points), 1].mean()

    return [*angles, length(13, 14), length(61, 291), height(13, 14) - height(61, 291),
            (length(159, 145) + length(386, 374)) / 2, height(33, 133, 263, 362) - height(105, 334, 66, 296),
            -length(55, 285), length(0, 13) + length(14, 17), length(234, 454), length(172, 397), length(98, 327),
            length(33, 263)]


def pixels(image, points):
    """Light of the skin, edges where spectacles are, background, and gaze."""
    rgb = image.astype("f4")
    luminance = rgb @ np.array([.299, .587, .114], "f4")
    at = points[:, :2] + MESH_BOX[:2]

    def patch(i, radius=7, channel=luminance):
        x, y = np.clip(at[i], radius, 255 - radius).astype(int)
        return channel[y - radius:y + radius + 1, x - radius:x + radius + 1]

    left, right = (np.mean([patch(i).mean() for i in cheek]) for cheek in ((50, 205), (280, 425)))
    skin = np.concatenate([patch(i).ravel() for i in (50, 205, 280, 425, 151)])
    red = np.mean([patch(i, 7, rgb[:, :, 0] - rgb[:, :, 2]).mean() for i in (50, 280, 151)])
    edges = np.abs(np.diff(luminance, axis=0))
    glasses = np.mean([patch(i, 5, edges).max(0).mean() for i in (168, 6, 197, 119, 348)])
    background = np.concatenate([luminance[:60, :14].ravel(), luminance[:60, -14:].ravel()]).mean()
    gaze = []
    for outer, inner, top, bottom in ((33, 133, 159, 145), (362, 263, 386, 374)):
        x0, x1, y = at[outer][0], at[inner][0], int((at[top][1] + at[bottom][1]) / 2)
        row = luminance[y - 2:y + 3, int(x0) + 2:max(int(x1) - 1, int(x0) + 6)].mean(0)
        dark = np.clip(row.max() - row, 0, None) ** 2
        gaze.append((dark * np.linspace(0, 1, len(row))).sum() / (dark.sum() + 1e-6) - .5)
    return [(left + right + patch(151).mean()) / 3, right - left, skin.std(), red, glasses, background, np.mean(gaze)]
