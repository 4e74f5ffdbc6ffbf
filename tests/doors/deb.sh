#!/bin/sh
# Opens the Debian packages in a clean root: `cargo xtask test-doors deb` puts the packages, ONNX Runtime, the test model, a photo and
# the expected results into /w. Prints PASS or FAIL for each check.
set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
cd /w

check() { # NAME COMMAND…
  name=$1; shift
  if "$@" >/w/log 2>&1; then echo "PASS $name"; else echo "FAIL $name: $(tail -n 5 /w/log | tr '\n' ' ')"; fi
}
not() { ! "$@"; }
same() { cmp "out/$1" "expected/$1"; }
gani_few_steps() { gani --model /w/models/ffhq-64 --device cpu --threads 2 --force -q "$@"; }
list() { find /usr /etc /opt -xdev | grep -v -e /var/ -e /usr/share/doc -e ld.so.cache | sort; }
system_plug_in() { readlink -e "/usr/lib/x86_64-linux-gnu/gimp/3.0/plug-ins/gani-gimp/gani-gimp"; }

dpkg --purge libgani-dev gani >/dev/null 2>&1
list >before
check "apt installs both packages" apt-get install -q -y --no-install-recommends ./gani.deb ./libgani-dev.deb
check "without ONNX Runtime, doctor fails" not gani doctor
cp log doctor
check "and says where to put it" grep -q "into /w/home/.local/share/gani/lib" doctor
mkdir -p ~/.local/share/gani/lib
cp libonnxruntime.so* ~/.local/share/gani/lib/
check "with it, doctor finds everything" gani doctor
cp log doctor
check "the models are those of the package" grep -q "in /usr/share/gani/models/ffhq-1024" doctor
check "gani invert" gani_few_steps invert photo.png -o out --preset fast --iterations 5 --refine 3 --seed 7
check "the inversion has the checkout's bytes" same photo.safetensors
check "gani edit" gani_few_steps edit out/photo.safetensors --set smile=2 --set age=-1 --paste-into photo.png -o out/edited.png
check "the edited photo has the checkout's bytes" same edited.png
check "the C example compiles with pkg-config" sh -c \
  'cc /w/examples/c/portrait.c $(pkg-config --cflags --libs gani) -o portrait'
check "and runs with the library of the package" ./portrait photo.png c.png /w/models/ffhq-64 3
check "GIMP's folder has the plug-in" test "$(system_plug_in)" = /usr/bin/gani-gimp
check "Krita's folder has the plug-in" test -f /usr/share/krita/pykrita/gani/__init__.py
check "completions of bash" grep -q _gani /usr/share/bash-completion/completions/gani
check "apt removes them" apt-get purge -q -y gani libgani-dev
list >after
check "and leaves nothing" cmp before after
