#!/bin/sh
# Opens the Debian package in a root with GIMP 3: GIMP must find the plug-in of the package in the folder of all users.
set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
dpkg --purge gani >/dev/null 2>&1
dpkg --install /w/gani.deb || echo "FAIL dpkg installs the package"
gimp-console-3.0 -n -i --batch-interpreter=python-fu-eval -b "
from gi.repository import Gimp
for name in ('plug-in-gani-edit-face', 'plug-in-gani-about'):
    procedure = Gimp.get_pdb().lookup_procedure(name)
    paths = procedure.get_menu_paths() if procedure else None
    print('PASS' if paths == ['<Image>/Filters/Portrait'] else 'FAIL', name, paths)
" --quit
dpkg --purge gani || echo "FAIL dpkg removes the package"
