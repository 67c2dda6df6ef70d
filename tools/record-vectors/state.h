/*
 * The state before an instruction, drawn from (form, repetition) alone, so that the vector file
 * need not hold it. state.ts draws the same; README.md describes it. All draws are 32-bit words.
 */
#include <stdint.h>
#include <string.h>

enum { DATA_ADDRESS = 0x20000000 };
enum { FLAG_MASK = 0xcd5, FLAG_DF = 0x400 };
enum { WINDOW_COUNT = 3, WINDOW_BYTES = 96, WINDOW_BEFORE = 32 };
enum {
  FORM_MEMORY = 1, FORM_FRAME = 2, FORM_DIVIDE = 4, FORM_SMALL = 8, FORM_RETURN = 16,
  FORM_STRING = 32, FORM_XMM = 64, FORM_SINGLE = 128, FORM_DOUBLE = 256, FORM_MMX = 512,
  FORM_X87 = 1024, FORM_TABLE = 2048
};

struct state {
  uint32_t gpr[32], xmm[64], st[24];
  uint32_t eflags, mxcsr;
  uint16_t fcw, fsw;
  uint8_t tags;
  uint8_t memory[4096];
};

static uint32_t draw_seed;

static uint32_t draw(void) {
  draw_seed += 0x9e3779b9u;
  uint32_t mixed = draw_seed;
  mixed = (mixed ^ mixed >> 16) * 0x21f0aaadu;
  mixed = (mixed ^ mixed >> 15) * 0x735a2d97u;
  return mixed ^ mixed >> 15;
}

static const uint32_t EDGE_WORDS[] = {0, 1, 0xffffffff, 0x80, 0x7f, 0x8000, 0x7fff, 0x80000000,
                                      0x7fffffff, 0x55555555, 0xaaaaaaaa, 0xff, 0xffff, 0x10000,
                                      0x100, 0xfffffffe};
/* Sign, biased exponent and top of the fraction of singles: 0, 1, infinity, NaNs, denormals, limits. */
static const uint32_t EDGE_SINGLES[] = {0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
                                        0x7fc00000, 0xffc00001, 0x7f800001, 0xffa00000, 0x00000001,
                                        0x807fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000};
/* The high words of doubles; the low word is 0, or all ones when the draw says so. */
static const uint32_t EDGE_DOUBLES[] = {0, 0x80000000, 0x3ff00000, 0xbff00000, 0x7ff00000, 0xfff00000,
                                        0x7ff80000, 0xfff80001, 0x7ff00001, 0xfff40000, 0x000fffff,
                                        0x80000001, 0x00100000, 0x7fefffff, 0x41e00000, 0xc3e00000};
/* Sign and exponent of extended values, with their integer bit in bit 16. */
static const uint32_t EDGE_EXTENDED[] = {0x00000, 0x08000, 0x13fff, 0x1bfff, 0x17fff, 0x1ffff, 0x07fff,
                                         0x0ffff, 0x10000, 0x18000, 0x00001, 0x17ffe, 0x10001, 0x1401e,
                                         0x1c03e, 0x04000};

static void draw_integer(uint32_t *words, const uint32_t *previous) {
  uint32_t kind = draw();
  uint32_t low = draw();
  uint32_t high = draw();
  switch (kind & 7) {
  case 3: low = low % 131; high = 0; break;
  case 4:
    low = EDGE_WORDS[low & 15];
    high = kind & 8 ? (uint32_t)((int32_t)low >> 31) : EDGE_WORDS[high & 15];
    break;
  case 5: high = 0; break;
  case 6: high = (uint32_t)((int32_t)low >> 31); break;
  case 7:
    if (previous != 0) { low = previous[0]; high = previous[1]; }
    break;
  }
  words[0] = low;
  words[1] = high;
}

static uint32_t draw_single(uint32_t previous) {
  uint32_t kind = draw();
  uint32_t bits = draw();
  switch (kind & 7) {
  case 0: case 1: case 2:
    return (bits & 0x807fffff) | (107 + (kind >> 8) % 40) << 23;
  case 3: return EDGE_SINGLES[bits & 15];
  case 4: return (bits & 0x80780000) | (127 + (kind >> 8) % 36) << 23;
  case 5: return previous;
  }
  return bits;
}

static void draw_double(uint32_t *words, const uint32_t *previous) {
  uint32_t kind = draw();
  uint32_t low = draw();
  uint32_t high = draw();
  switch (kind & 7) {
  case 0: case 1: case 2: high = (high & 0x800fffff) | (1003 + (kind >> 8) % 40) << 20; break;
  case 3: high = EDGE_DOUBLES[high & 15]; low = kind & 8 ? 0xffffffff : 0; break;
  case 4: high = (high & 0x800f0000) | (1023 + (kind >> 8) % 68) << 20; low = 0; break;
  case 5: low = previous[0]; high = previous[1]; break;
  }
  words[0] = low;
  words[1] = high;
}

static void draw_extended(uint32_t *words, const uint32_t *previous) {
  uint32_t kind = draw();
  uint32_t low = draw();
  uint32_t high = draw() | 0x80000000;
  uint32_t exponent = draw() & 0xffff;
  switch (kind & 7) {
  case 0: case 1: case 2: exponent = (exponent & 0x8000) | (0x3fff - 20 + (kind >> 8) % 40); break;
  case 3: {
    uint32_t edge = EDGE_EXTENDED[exponent & 15];
    exponent = edge & 0xffff;
    high = edge & 0x10000 ? 0x80000000 : 0;
    low = 0;
    if (kind & 8) { high |= kind & 0x7fffff00; low = kind; }
    break;
  }
  case 4: exponent = (exponent & 0x8000) | (0x3fff + (kind >> 8) % 68); high &= 0xff000000; low = 0; break;
  case 5: low = previous[0]; high = previous[1]; exponent = previous[2]; break;
  case 6: high &= 0x7fffffff; break;
  }
  words[0] = low;
  words[1] = high;
  words[2] = exponent;
}

static void draw_vector(uint32_t *words, const uint32_t *previous, unsigned flags) {
  if (flags & FORM_SINGLE) {
    for (int i = 0; i < 4; i++) words[i] = draw_single(previous[i]);
  } else if (flags & FORM_DOUBLE) {
    draw_double(words, previous);
    draw_double(words + 2, previous + 2);
  } else {
    draw_integer(words, previous);
    draw_integer(words + 2, previous + 2);
  }
}

static void draw_registers(struct state *state, unsigned mode, unsigned flags) {
  for (int i = 0; i < 16; i++) {
    uint32_t *words = &state->gpr[2 * i];
    draw_integer(words, i == 0 ? 0 : words - 2);
    if (flags & FORM_SMALL) {
      words[0] = (words[0] & 0x1ff) - 0x100;
      words[1] = (uint32_t)((int32_t)words[0] >> 31);
    }
  }
  uint32_t *gpr = state->gpr;
  if (flags & FORM_STRING) { gpr[2] &= 3; gpr[3] = 0; }
  if (flags & FORM_DIVIDE) {
    uint32_t kind = draw();
    if (kind & 1) gpr[4] = gpr[5] = 0;
    else if (kind & 2) gpr[4] = gpr[5] = (uint32_t)((int32_t)gpr[kind & 4 ? 1 : 0] >> 31);
  }
  const int pointers[][3] = {{4, 0x800, ~0}, {5, 0x820, FORM_FRAME}, {7, 0x400, FORM_MEMORY},
                             {6, 0x600, FORM_MEMORY}, {3, 0x400, FORM_TABLE}};
  for (int i = 0; i < 5; i++) {
    if (i != 0 && !(flags & (unsigned)pointers[i][2])) continue;
    gpr[2 * pointers[i][0]] = DATA_ADDRESS + (uint32_t)pointers[i][1];
    gpr[2 * pointers[i][0] + 1] = 0;
  }
  for (int i = 0; mode == 32 && i < 16; i++) {
    gpr[2 * i + 1] = 0;
    if (i >= 8) gpr[2 * i] = 0;
  }
}

static void draw_memory(struct state *state, unsigned mode, unsigned flags) {
  static const int centres[WINDOW_COUNT] = {0x400, 0x600, 0x800};
  for (int window = 0; window < WINDOW_COUNT; window++) {
    uint32_t words[WINDOW_BYTES / 4 + 4];
    memcpy(words, state->gpr, 16);
    for (int i = 0; i < WINDOW_BYTES / 4; i += 4) {
      if (flags & FORM_X87 && window == 0 && i % 8 == 0) {
        draw_extended(words + 4 + i, words + i);
        words[7 + i] = draw();
      } else draw_vector(words + 4 + i, words + i, flags);
    }
    memcpy(state->memory + centres[window] - WINDOW_BEFORE, words + 4, WINDOW_BYTES);
  }
  if (flags & FORM_RETURN) {
    uint32_t high = mode == 64 ? draw() & 0x7fff : 0;
    memcpy(state->memory + 0x804, &high, 4);
  }
}

static void draw_state(struct state *state, uint32_t form, uint32_t repetition, unsigned mode,
                       unsigned flags) {
  static const uint32_t none[4];
  memset(state, 0, sizeof *state);
  draw_seed = form * 0x85ebca6bu ^ repetition * 0xc2b2ae35u ^ 0x27d4eb2f;
  state->eflags = draw() & (FLAG_MASK & ~FLAG_DF);
  if (flags & FORM_STRING) state->eflags |= draw() & FLAG_DF;
  draw_registers(state, mode, flags);
  state->mxcsr = 0x1f80;
  state->fcw = 0x37f;
  if (flags & (FORM_XMM | FORM_SINGLE | FORM_DOUBLE)) {
    for (int i = 0; i < (mode == 32 ? 8 : 16); i++) {
      draw_vector(&state->xmm[4 * i], i == 0 ? none : &state->xmm[4 * i - 4], flags);
    }
  }
  if (flags & (FORM_SINGLE | FORM_DOUBLE)) {
    uint32_t kind = draw();
    if (kind & 1) state->mxcsr |= kind & 0xe07f;
    if ((kind & 0xe) == 0xe) state->mxcsr &= ~(kind >> 16 & 0x1f80);
  }
  if (flags & (FORM_MMX | FORM_X87)) {
    for (int i = 0; i < 8; i++) {
      uint32_t *words = &state->st[3 * i];
      const uint32_t *previous = i == 0 ? none : words - 3;
      if (flags & FORM_X87) draw_extended(words, previous);
      else {
        draw_integer(words, previous);
        words[2] = 0xffff;
      }
    }
    state->tags = 0xff;
  }
  if (flags & FORM_X87) {
    uint32_t kind = draw();
    state->fsw = (uint16_t)(kind & 0x7f00);
    if (kind & 0x10000) state->tags = (uint8_t)(kind >> 24);
    if (kind & 0x20000) state->fcw = (uint16_t)(0x7f | (kind >> 8 & 0xc00) | (kind >> 2 & 0x300));
    if ((kind & 0x1c) == 0x1c) state->fcw &= (uint16_t)~(kind >> 5 & 0x3f);
  }
  draw_memory(state, mode, flags);
}
