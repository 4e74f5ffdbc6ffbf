# SPDX-License-Identifier: MIT OR Apache-2.0
"""The Qt version that Krita uses: PyQt6 in Krita 6, PyQt5 in Krita 5. Both accept fully qualified enum names."""
try:
    from PyQt6.QtCore import QByteArray, Qt, QThread, QTimer, pyqtSignal
    from PyQt6.QtGui import QImage, QPainter, QPixmap, QTransform
    from PyQt6.QtWidgets import (QApplication, QCheckBox, QComboBox, QDialog, QDialogButtonBox, QDoubleSpinBox, QFormLayout,
                                 QGroupBox, QHBoxLayout, QInputDialog, QLabel, QLineEdit, QMessageBox, QProgressBar,
                                 QPushButton, QSlider, QSpinBox, QVBoxLayout, QWidget)
except ImportError:
    from PyQt5.QtCore import QByteArray, Qt, QThread, QTimer, pyqtSignal
    from PyQt5.QtGui import QImage, QPainter, QPixmap, QTransform
    from PyQt5.QtWidgets import (QApplication, QCheckBox, QComboBox, QDialog, QDialogButtonBox, QDoubleSpinBox, QFormLayout,
                                 QGroupBox, QHBoxLayout, QInputDialog, QLabel, QLineEdit, QMessageBox, QProgressBar,
                                 QPushButton, QSlider, QSpinBox, QVBoxLayout, QWidget)

__all__ = ["QApplication", "QByteArray", "QCheckBox", "QComboBox", "QDialog", "QDialogButtonBox", "QDoubleSpinBox",
           "QFormLayout", "QGroupBox", "QHBoxLayout", "QImage", "QInputDialog", "QLabel", "QLineEdit", "QMessageBox", "QPainter", "QPixmap",
           "QProgressBar", "QPushButton", "QSlider", "QSpinBox", "QThread", "QTimer", "QTransform",
           "QVBoxLayout", "QWidget", "Qt", "pyqtSignal"]
