/* Stubs of the CUDA functions whose results ONNX Runtime's CUDA provider uses while it creates a session. They allow that on a
   machine without a GPU. Device memory is host memory; kernels do nothing. All other functions are generated weak stubs
   that return 0. */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef int status;
enum { SUCCESS = 0 };

/* struct cudaDeviceProp of CUDA 13 (driver_types.h), up to the last member that the provider reads. */
struct device {
    char name[256];
    char uuid[16];
    char luid[8];
    unsigned luid_device_node_mask;
    size_t total_memory;
    size_t shared_memory_per_block;
    int registers_per_block;
    int warp_size;
    size_t memory_pitch;
    int max_threads_per_block;
    int max_threads_dim[3];
    int max_grid_size[3];
    size_t total_constant_memory;
    int major;
    int minor;
    size_t texture_alignment;
    size_t texture_pitch_alignment;
    int processors;
};
enum { DEVICE_SIZE = 1008 };
_Static_assert(offsetof(struct device, total_memory) == 288, "cudaDeviceProp.totalGlobalMem");
_Static_assert(offsetof(struct device, major) == 360, "cudaDeviceProp.major");
_Static_assert(offsetof(struct device, processors) == 384, "cudaDeviceProp.multiProcessorCount");

/* A card of compute capability 8.9, such as RTX 4090. */
enum { MAJOR = 8, MINOR = 9, PROCESSORS = 128 };
static const size_t MEMORY = (size_t)24 << 30;

status cudaGetDeviceCount(int *count) { *count = 1; return SUCCESS; }
status cudaGetDevice(int *device) { *device = 0; return SUCCESS; }

status cudaGetDeviceProperties(struct device *d, int index) {
    (void)index;
    memset(d, 0, DEVICE_SIZE);
    strcpy(d->name, "stub");
    d->major = MAJOR;
    d->minor = MINOR;
    d->processors = PROCESSORS;
    d->total_memory = MEMORY;
    d->warp_size = 32;
    d->max_threads_per_block = 1024;
    d->shared_memory_per_block = 48 << 10;
    d->registers_per_block = 65536;
    return SUCCESS;
}

/* 16, 75 and 76: cudaDevAttrMultiProcessorCount, cudaDevAttrComputeCapabilityMajor and ...Minor. */
status cudaDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == 16 ? PROCESSORS : attribute == 75 ? MAJOR : attribute == 76 ? MINOR : 1024;
    return SUCCESS;
}

status cudaRuntimeGetVersion(int *version) { *version = 13000; return SUCCESS; }
status cudaDriverGetVersion(int *version) { *version = 13000; return SUCCESS; }
status cudaMemGetInfo(size_t *free, size_t *total) { *free = *total = MEMORY; return SUCCESS; }

/* Pages that are never written take no physical memory. */
status cudaMalloc(void **p, size_t bytes) {
    *p = aligned_alloc(256, (bytes + 511) / 256 * 256);
    return *p ? SUCCESS : 2; /* cudaErrorMemoryAllocation */
}
status cudaMallocHost(void **p, size_t bytes) { return cudaMalloc(p, bytes); }
status cudaHostAlloc(void **p, size_t bytes, unsigned flags) { (void)flags; return cudaMalloc(p, bytes); }
status cudaMallocFromPoolAsync(void **p, size_t bytes, void *pool, void *stream) {
    (void)pool, (void)stream;
    return cudaMalloc(p, bytes);
}
status cudaFree(void *p) { free(p); return SUCCESS; }
status cudaFreeHost(void *p) { return cudaFree(p); }
status cudaFreeAsync(void *p, void *stream) { (void)stream; return cudaFree(p); }
status cudaMemcpy(void *to, const void *from, size_t bytes, int kind) {
    (void)kind;
    memcpy(to, from, bytes);
    return SUCCESS;
}
status cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream) {
    (void)stream;
    return cudaMemcpy(to, from, bytes, kind);
}
status cudaMemset(void *p, int value, size_t bytes) { memset(p, value, bytes); return SUCCESS; }
status cudaMemsetAsync(void *p, int value, size_t bytes, void *stream) {
    (void)stream;
    return cudaMemset(p, value, bytes);
}

/* Opaque handles. */
static status handle(void **h) { *h = calloc(1, 64); return *h ? SUCCESS : 2; }
status cudaStreamCreate(void **stream) { return handle(stream); }
status cudaStreamCreateWithFlags(void **stream, unsigned flags) { (void)flags; return handle(stream); }
status cudaStreamIsCapturing(void *stream, int *capturing) { (void)stream; *capturing = 0; return SUCCESS; }
status cudaStreamEndCapture(void *stream, void **graph) { (void)stream; return handle(graph); }
status cudaGraphInstantiate(void **executable, void *graph, unsigned long long flags) {
    (void)graph, (void)flags;
    return handle(executable);
}
status cudaEventCreate(void **event) { return handle(event); }
status cudaEventCreateWithFlags(void **event, unsigned flags) { (void)flags; return handle(event); }
status cudaMemPoolCreate(void **pool, const void *properties) { (void)properties; return handle(pool); }
status cublasCreate_v2(void **h) { return handle(h); }
status cublasLtCreate(void **h) { return handle(h); }
status cublasGetMathMode(void *h, int *mode) { (void)h; *mode = 0; return SUCCESS; }
void *__cudaRegisterFatBinary(void *binary) { (void)binary; return calloc(1, 64); }

const char *cudaGetErrorName(status s) { (void)s; return "stub"; }
const char *cudaGetErrorString(status s) { (void)s; return "the CUDA stub failed"; }
const char *cublasGetStatusName(status s) { (void)s; return "stub"; }
const char *cublasGetStatusString(status s) { (void)s; return "the cuBLAS stub failed"; }
