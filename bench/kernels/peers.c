/*
 * The native peers of the kernels, compiled when the bench starts:
 *
 *   cc -O3 -march=native -shared -fPIC -pthread peers.c -ldl
 *
 * Each does what the WASM kernel of the same name does, over as many pages or blocks a call, so
 * that the price of a foreign call is not counted. SCALAR marks loops that the compiler must not
 * turn into vectors, because a plain loop is what they stand for.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__AVX512F__) && defined(__AVX512BW__)
#include <immintrin.h>
#define HAVE_AVX512 1
#endif
#if defined(__has_include)
#if __has_include(<xxhash.h>)
#define XXH_INLINE_ALL
#include <xxhash.h>
#define HAVE_XXHASH_H 1
#endif
#endif

#if defined(__GNUC__) && !defined(__clang__)
#define SCALAR __attribute__((optimize("no-tree-vectorize", "no-tree-slp-vectorize")))
#else
#define SCALAR
#endif
#define PAGE 4096u

int peer_has_avx512(void) {
#ifdef HAVE_AVX512
  return 1;
#else
  return 0;
#endif
}

int peer_has_xxhash_h(void) {
#ifdef HAVE_XXHASH_H
  return 1;
#else
  return 0;
#endif
}

/* What this thread has computed, in milliseconds: other programs' turns are left out. */
double peer_thread_ms(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0) return -1;
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static inline uint64_t load64(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return word;
}

/* ---- pages ---- */

uint32_t peer_compare(const uint8_t *current, const uint8_t *shadow, uint32_t count, uint8_t *out) {
  uint32_t total = 0;
  memset(out, 0, (count + 7) / 8);
  for (uint32_t page = 0; page < count; page++) {
    size_t at = (size_t)page * PAGE;
    if (memcmp(current + at, shadow + at, PAGE) == 0) continue;
    out[page / 8] |= 1u << (page % 8);
    total++;
  }
  return total;
}

/* The compiler makes vectors of the machine's width of the inner loop. */
static int zero_page_wide(const uint8_t *page) {
  for (uint32_t at = 0; at < PAGE; at += 256) {
    uint64_t any = 0;
    for (uint32_t step = 0; step < 256; step += 8) any |= load64(page + at + step);
    if (any != 0) return 0;
  }
  return 1;
}

/* A page is zero when its first bytes are and each byte equals the one sixteen before. */
static int zero_page_memcmp(const uint8_t *page) {
  return (load64(page) | load64(page + 8)) == 0 && memcmp(page, page + 16, PAGE - 16) == 0;
}

#ifdef HAVE_AVX512
static int zero_page_avx512(const uint8_t *page) {
  for (uint32_t at = 0; at < PAGE; at += 256) {
    __m512i a = _mm512_loadu_si512(page + at);
    __m512i b = _mm512_loadu_si512(page + at + 64);
    __m512i c = _mm512_loadu_si512(page + at + 128);
    __m512i d = _mm512_loadu_si512(page + at + 192);
    __m512i any = _mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d));
    if (_mm512_test_epi64_mask(any, any)) return 0;
  }
  return 1;
}
#endif

#define ZERO_PAGES(name, is_zero)                                                              \
  uint32_t name(const uint8_t *pages, const uint8_t *selected, uint32_t count, uint8_t *out) { \
    uint32_t total = 0;                                                                        \
    memset(out, 0, (count + 7) / 8);                                                           \
    for (uint32_t page = 0; page < count; page++) {                                            \
      if ((selected[page / 8] >> (page % 8) & 1) == 0) continue;                               \
      if (!is_zero(pages + (size_t)page * PAGE)) continue;                                     \
      out[page / 8] |= 1u << (page % 8);                                                       \
      total++;                                                                                 \
    }                                                                                          \
    return total;                                                                              \
  }
ZERO_PAGES(peer_zero_wide, zero_page_wide)
ZERO_PAGES(peer_zero_memcmp, zero_page_memcmp)
#ifdef HAVE_AVX512
ZERO_PAGES(peer_zero_avx512, zero_page_avx512)
#endif

/* ---- bitmaps ---- */

/* The numbers of the set bits of whole words of 64. */
SCALAR uint32_t peer_list(const uint8_t *bitmap, uint32_t bits, uint32_t *out) {
  uint32_t count = 0;
  for (uint32_t base = 0; base < bits; base += 64) {
    for (uint64_t word = load64(bitmap + base / 8); word != 0; word &= word - 1) {
      out[count++] = base + (uint32_t)__builtin_ctzll(word);
    }
  }
  return count;
}

/* The same as runs of neighbours: pairs of start and length. */
SCALAR uint32_t peer_runs(const uint8_t *bitmap, uint32_t bits, uint32_t *out) {
  uint32_t count = 0;
  uint32_t end = UINT32_MAX;
  for (uint32_t base = 0; base < bits; base += 64) {
    uint64_t word = load64(bitmap + base / 8);
    for (uint32_t past = 0; word != 0;) {
      uint32_t first = (uint32_t)__builtin_ctzll(word);
      uint64_t rest = ~(word >> first);
      uint32_t length = rest == 0 ? 64 : (uint32_t)__builtin_ctzll(rest);
      uint32_t start = base + past + first;
      if (start == end) {
        out[2 * count - 1] += length;
      } else {
        out[2 * count] = start;
        out[2 * count + 1] = length;
        count++;
      }
      end = start + length;
      if (first + length >= 64) break;
      word >>= first + length;
      past += first + length;
    }
  }
  return count;
}

SCALAR uint32_t peer_popcount(const uint8_t *bitmap, uint32_t bytes) {
  uint64_t a = 0, b = 0, c = 0, d = 0;
  uint32_t at = 0;
  for (; at + 32 <= bytes; at += 32) {
    a += (uint64_t)__builtin_popcountll(load64(bitmap + at));
    b += (uint64_t)__builtin_popcountll(load64(bitmap + at + 8));
    c += (uint64_t)__builtin_popcountll(load64(bitmap + at + 16));
    d += (uint64_t)__builtin_popcountll(load64(bitmap + at + 24));
  }
  for (; at < bytes; at++) a += (uint64_t)__builtin_popcount(bitmap[at]);
  return (uint32_t)(a + b + c + d);
}

/* With vectors, as wide as the machine has them. */
uint32_t peer_popcount_wide(const uint8_t *bitmap, uint32_t bytes) {
  uint64_t total = 0;
  for (uint32_t at = 0; at + 8 <= bytes; at += 8) {
    total += (uint64_t)__builtin_popcountll(load64(bitmap + at));
  }
  return (uint32_t)total;
}

/* Which 64-bit words of /proc/PID/pagemap have any bit of a mask. */
SCALAR uint32_t peer_pagemap(const uint64_t *words, uint32_t count, uint64_t mask, uint8_t *out) {
  uint32_t total = 0;
  for (uint32_t at = 0; at < count; at += 8) {
    uint32_t byte = 0;
    for (uint32_t one = 0; one < 8; one++) byte |= (uint32_t)((words[at + one] & mask) != 0) << one;
    out[at / 8] = (uint8_t)byte;
    total += (uint32_t)__builtin_popcount(byte);
  }
  return total;
}

#ifdef HAVE_AVX512
uint32_t peer_pagemap_avx512(const uint64_t *words, uint32_t count, uint64_t mask, uint8_t *out) {
  const __m512i wanted = _mm512_set1_epi64((long long)mask);
  uint32_t total = 0;
  for (uint32_t at = 0; at < count; at += 64) {
    uint64_t bits = 0;
    for (uint32_t step = 0; step < 64; step += 8) {
      __m512i eight = _mm512_loadu_si512(words + at + step);
      bits |= (uint64_t)_mm512_test_epi64_mask(eight, wanted) << step;
    }
    memcpy(out + at / 8, &bits, 8);
    total += (uint32_t)__builtin_popcountll(bits);
  }
  return total;
}
#endif

/* ---- XBZRLE, from the description of the format ----
 *
 * Runs of equal bytes and of new bytes take turns, each behind its length in ULEB128; new bytes
 * follow their length; equal bytes at the end are left out. 0: nothing differs. -1: over the limit.
 */

static inline uint32_t put_length(uint8_t *out, uint32_t length) {
  if (length < 128) {
    out[0] = (uint8_t)length;
    return 1;
  }
  out[0] = (uint8_t)(length | 128);
  out[1] = (uint8_t)(length >> 7);
  return 2;
}

static SCALAR int32_t xbzrle_encode(const uint8_t *old, const uint8_t *new, uint32_t length,
                                    uint8_t *out, uint32_t limit) {
  uint32_t at = 0, size = 0;
  for (;;) {
    uint32_t start = at;
    while (at < length && at % 8 != 0 && old[at] == new[at]) at++;
    if (at % 8 == 0) {
      while (at + 8 <= length && load64(old + at) == load64(new + at)) at += 8;
      while (at < length && old[at] == new[at]) at++;
    }
    if (at == length) return (int32_t)size;
    if (size + 2 > limit) return -1;
    size += put_length(out + size, at - start);
    start = at;
    while (at < length && old[at] != new[at]) at++;
    uint32_t fresh = at - start;
    if (size + 2 > limit) return -1;
    size += put_length(out + size, fresh);
    if (fresh > limit - size) return -1;
    memcpy(out + size, new + start, fresh);
    size += fresh;
  }
}

static inline int32_t take_length(const uint8_t *in, uint32_t length, uint32_t *at) {
  if (*at >= length) return -1;
  uint32_t first = in[(*at)++];
  if (first < 128) return (int32_t)first;
  if (*at >= length) return -1;
  uint32_t second = in[(*at)++];
  if (second >= 128) return -1;
  return (int32_t)((first & 127) | second << 7);
}

static SCALAR int32_t xbzrle_decode(const uint8_t *in, uint32_t length, uint8_t *page,
                                    uint32_t page_length) {
  uint32_t at = 0, done = 0;
  while (at < length) {
    int32_t equal = take_length(in, length, &at);
    if (equal < 0 || (equal == 0 && done != 0) || (uint32_t)equal > page_length - done) return -1;
    done += (uint32_t)equal;
    int32_t fresh = take_length(in, length, &at);
    if (fresh <= 0 || (uint32_t)fresh > page_length - done) return -1;
    if ((uint32_t)fresh > length - at) return -1;
    memcpy(page + done, in + at, (uint32_t)fresh);
    at += (uint32_t)fresh;
    done += (uint32_t)fresh;
  }
  return (int32_t)done;
}

/* Page by page: encodings `stride` bytes apart, their lengths in `sizes`. */
void peer_xbzrle_encode(const uint8_t *old, const uint8_t *new, uint32_t count, uint8_t *out,
                        uint32_t stride, int32_t *sizes) {
  for (uint32_t page = 0; page < count; page++) {
    size_t at = (size_t)page * PAGE;
    sizes[page] = xbzrle_encode(old + at, new + at, PAGE, out + (size_t)page * stride, PAGE);
  }
}

/* Those pages that have an encoding, in place. */
uint32_t peer_xbzrle_decode(const uint8_t *in, uint32_t stride, const int32_t *sizes,
                            uint32_t count, uint8_t *pages) {
  uint32_t wrong = 0;
  for (uint32_t page = 0; page < count; page++) {
    if (sizes[page] <= 0) continue;
    const uint8_t *from = in + (size_t)page * stride;
    wrong += xbzrle_decode(from, (uint32_t)sizes[page], pages + (size_t)page * PAGE, PAGE) < 0;
  }
  return wrong;
}

/* ---- the libraries, opened by name ---- */

typedef int (*lz4_compress)(const char *, char *, int, int);
typedef int (*lz4_decompress)(const char *, char *, int, int);
static lz4_compress compress_default;
static lz4_decompress decompress_safe;

int peer_open_lz4(const char *path) {
  void *library = dlopen(path, RTLD_NOW);
  if (library == NULL) return -1;
  compress_default = (lz4_compress)dlsym(library, "LZ4_compress_default");
  decompress_safe = (lz4_decompress)dlsym(library, "LZ4_decompress_safe");
  return compress_default == NULL || decompress_safe == NULL ? -1 : 0;
}

void peer_lz4_compress(const uint8_t *in, uint32_t block, uint32_t count, uint8_t *out,
                       uint32_t stride, uint32_t *sizes) {
  for (uint32_t one = 0; one < count; one++) {
    const char *from = (const char *)in + (size_t)one * block;
    char *to = (char *)out + (size_t)one * stride;
    sizes[one] = (uint32_t)compress_default(from, to, (int)block, (int)stride);
  }
}

uint32_t peer_lz4_decompress(const uint8_t *in, uint32_t stride, const uint32_t *sizes,
                             uint32_t count, uint8_t *out, uint32_t block) {
  uint32_t wrong = 0;
  for (uint32_t one = 0; one < count; one++) {
    const char *from = (const char *)in + (size_t)one * stride;
    char *to = (char *)out + (size_t)one * block;
    wrong += decompress_safe(from, to, (int)sizes[one], (int)block) != (int)block;
  }
  return wrong;
}

typedef void *(*zstd_create)(void);
typedef size_t (*zstd_compress)(void *, void *, size_t, const void *, size_t, int);
static zstd_compress compress_zstd;
static void *zstd_context;

/* One context for all blocks, made once: as a program that means it would. */
int peer_open_zstd(const char *path) {
  void *library = dlopen(path, RTLD_NOW);
  if (library == NULL) return -1;
  zstd_create create = (zstd_create)dlsym(library, "ZSTD_createCCtx");
  compress_zstd = (zstd_compress)dlsym(library, "ZSTD_compressCCtx");
  if (create == NULL || compress_zstd == NULL) return -1;
  zstd_context = create();
  return zstd_context == NULL ? -1 : 0;
}

void peer_zstd_compress(const uint8_t *in, uint32_t block, uint32_t count, uint8_t *out,
                        uint32_t stride, uint32_t *sizes) {
  for (uint32_t one = 0; one < count; one++) {
    const uint8_t *from = in + (size_t)one * block;
    uint8_t *to = out + (size_t)one * stride;
    sizes[one] = (uint32_t)compress_zstd(zstd_context, to, stride, from, block, 1);
  }
}

typedef uint64_t (*xxh64_function)(const void *, size_t, uint64_t);
typedef uint64_t (*xxh3_function)(const void *, size_t);
static xxh64_function library_xxh64;
static xxh3_function library_xxh3;

int peer_open_xxhash(const char *path) {
  void *library = dlopen(path, RTLD_NOW);
  if (library == NULL) return -1;
  library_xxh64 = (xxh64_function)dlsym(library, "XXH64");
  library_xxh3 = (xxh3_function)dlsym(library, "XXH3_64bits");
  return library_xxh64 == NULL || library_xxh3 == NULL ? -1 : 0;
}

void peer_xxh64(const uint8_t *pages, uint32_t count, uint64_t *out) {
  for (uint32_t page = 0; page < count; page++) {
    out[page] = library_xxh64(pages + (size_t)page * PAGE, PAGE, 0);
  }
}

void peer_xxh3(const uint8_t *pages, uint32_t count, uint64_t *out) {
  for (uint32_t page = 0; page < count; page++) {
    out[page] = library_xxh3(pages + (size_t)page * PAGE, PAGE);
  }
}

#ifdef HAVE_XXHASH_H
/* The header compiled for this very machine: faster than the packaged library. */
void peer_xxh64_inline(const uint8_t *pages, uint32_t count, uint64_t *out) {
  for (uint32_t page = 0; page < count; page++) {
    out[page] = XXH64(pages + (size_t)page * PAGE, PAGE, 0);
  }
}

void peer_xxh3_inline(const uint8_t *pages, uint32_t count, uint64_t *out) {
  for (uint32_t page = 0; page < count; page++) {
    out[page] = XXH3_64bits(pages + (size_t)page * PAGE, PAGE);
  }
}
#endif

/*
 * A RAM file against its shadow, by one or more threads: each reads its part in windows and
 * compares page by page, as the scanner does.
 */
#define SCAN_THREADS_MAX 8
#define SCAN_WINDOW (1024u * 1024u)

struct scan_part {
  int fd;
  const uint8_t *shadow;
  uint64_t from, end;
  uint8_t *window;
  int changed;
};

static void *scan_part(void *argument) {
  struct scan_part *part = argument;
  for (uint64_t at = part->from; at < part->end; at += SCAN_WINDOW) {
    uint64_t left = part->end - at;
    size_t length = left < SCAN_WINDOW ? left : SCAN_WINDOW;
    if (pread(part->fd, part->window, length, (off_t)at) != (ssize_t)length) {
      part->changed = -1;
      return NULL;
    }
    for (size_t page = 0; page < length; page += PAGE) {
      part->changed += memcmp(part->window + page, part->shadow + at + page, PAGE) != 0;
    }
  }
  return NULL;
}

/* How many pages differ; -1 if the file cannot be read. */
int peer_scan(const char *path, const uint8_t *shadow, uint64_t bytes, uint32_t threads) {
  static uint8_t windows[SCAN_THREADS_MAX][SCAN_WINDOW] __attribute__((aligned(4096)));
  struct scan_part parts[SCAN_THREADS_MAX];
  pthread_t started[SCAN_THREADS_MAX];
  int fd = open(path, O_RDONLY);
  int changed = 0;
  if (fd < 0 || threads == 0 || threads > SCAN_THREADS_MAX) return -1;
  for (uint32_t one = 0; one < threads; one++) {
    uint64_t unit = bytes / SCAN_WINDOW;
    parts[one] = (struct scan_part){fd, shadow, unit * one / threads * SCAN_WINDOW,
                                    unit * (one + 1) / threads * SCAN_WINDOW, windows[one], 0};
    if (pthread_create(&started[one], NULL, scan_part, &parts[one]) != 0) return -1;
  }
  for (uint32_t one = 0; one < threads; one++) {
    pthread_join(started[one], NULL);
    changed = parts[one].changed < 0 || changed < 0 ? -1 : changed + parts[one].changed;
  }
  close(fd);
  return changed;
}
