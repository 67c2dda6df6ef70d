/**
 * Opcodes D8 to DF. Source: SDM volume 2, Tables. The aliases are encodings that
 * processors have executed since the 8087 and that the SDM does not list.
 */
export const X87 = `
# D8 and DC, DA and DE: arithmetic
d8/0:m       fadd       ST,Mfs        -                        @x87
d8/1:m       fmul       ST,Mfs        -                        @x87
d8/2:m       fcom       ST,Mfs        -                        @x87
d8/3:m       fcomp      ST,Mfs        -                        @x87
d8/4:m       fsub       ST,Mfs        -                        @x87
d8/5:m       fsubr      ST,Mfs        -                        @x87
d8/6:m       fdiv       ST,Mfs        -                        @x87
d8/7:m       fdivr      ST,Mfs        -                        @x87
d8/0:r       fadd       ST,STi        -                        @x87
d8/1:r       fmul       ST,STi        -                        @x87
d8/2:r       fcom       ST,STi        -                        @x87
d8/3:r       fcomp      ST,STi        -                        @x87
d8/4:r       fsub       ST,STi        -                        @x87
d8/5:r       fsubr      ST,STi        -                        @x87
d8/6:r       fdiv       ST,STi        -                        @x87
d8/7:r       fdivr      ST,STi        -                        @x87
da/0:m       fiadd      ST,Mid        -                        @x87
da/1:m       fimul      ST,Mid        -                        @x87
da/2:m       ficom      ST,Mid        -                        @x87
da/3:m       ficomp     ST,Mid        -                        @x87
da/4:m       fisub      ST,Mid        -                        @x87
da/5:m       fisubr     ST,Mid        -                        @x87
da/6:m       fidiv      ST,Mid        -                        @x87
da/7:m       fidivr     ST,Mid        -                        @x87
dc/0:m       fadd       ST,Mfd        -                        @x87
dc/1:m       fmul       ST,Mfd        -                        @x87
dc/2:m       fcom       ST,Mfd        -                        @x87
dc/3:m       fcomp      ST,Mfd        -                        @x87
dc/4:m       fsub       ST,Mfd        -                        @x87
dc/5:m       fsubr      ST,Mfd        -                        @x87
dc/6:m       fdiv       ST,Mfd        -                        @x87
dc/7:m       fdivr      ST,Mfd        -                        @x87
dc/0:r       fadd       STi,ST        -                        @x87
dc/1:r       fmul       STi,ST        -                        @x87
dc/2:r       fcom       ST,STi        -                        alias @x87
dc/3:r       fcomp      ST,STi        -                        alias @x87
dc/4:r       fsubr      STi,ST        -                        @x87
dc/5:r       fsub       STi,ST        -                        @x87
dc/6:r       fdivr      STi,ST        -                        @x87
dc/7:r       fdiv       STi,ST        -                        @x87
de/0:m       fiadd      ST,Miw        -                        @x87
de/1:m       fimul      ST,Miw        -                        @x87
de/2:m       ficom      ST,Miw        -                        @x87
de/3:m       ficomp     ST,Miw        -                        @x87
de/4:m       fisub      ST,Miw        -                        @x87
de/5:m       fisubr     ST,Miw        -                        @x87
de/6:m       fidiv      ST,Miw        -                        @x87
de/7:m       fidivr     ST,Miw        -                        @x87
de/0:r       faddp      STi,ST        -                        @x87
de/1:r       fmulp      STi,ST        -                        @x87
de/2:r       fcomp      ST,STi        -                        alias @x87
de:d9        fcompp     -             -                        @x87
de/4:r       fsubrp     STi,ST        -                        @x87
de/5:r       fsubp      STi,ST        -                        @x87
de/6:r       fdivrp     STi,ST        -                        @x87
de/7:r       fdivp      STi,ST        -                        @x87

# D9
d9/0:m       fld        Mfs           -                        @x87
d9/2:m       fst        Mfs           -                        @x87
d9/3:m       fstp       Mfs           -                        @x87
d9/4:m       fldenv     Menv          -                        @x87
d9/5:m       fldcw      Mw            -                        @x87
d9/6:m       fnstenv    Menv          -                        @x87
d9/7:m       fnstcw     Mw            -                        @x87
d9/0:r       fld        STi           -                        @x87
d9/1:r       fxch       STi           -                        @x87
d9:d0        fnop       -             -                        @x87
d9/3:r       fstp       STi           -                        alias @x87
d9:e0        fchs       -             -                        @x87
d9:e1        fabs       -             -                        @x87
d9:e4        ftst       -             -                        @x87
d9:e5        fxam       -             -                        @x87
d9:e8        fld1       -             -                        @x87
d9:e9        fldl2t     -             -                        @x87
d9:ea        fldl2e     -             -                        @x87
d9:eb        fldpi      -             -                        @x87
d9:ec        fldlg2     -             -                        @x87
d9:ed        fldln2     -             -                        @x87
d9:ee        fldz       -             -                        @x87
d9:f0        f2xm1      -             -                        @x87
d9:f1        fyl2x      -             -                        @x87
d9:f2        fptan      -             -                        @x87
d9:f3        fpatan     -             -                        @x87
d9:f4        fxtract    -             -                        @x87
d9:f5        fprem1     -             -                        @x87
d9:f6        fdecstp    -             -                        @x87
d9:f7        fincstp    -             -                        @x87
d9:f8        fprem      -             -                        @x87
d9:f9        fyl2xp1    -             -                        @x87
d9:fa        fsqrt      -             -                        @x87
d9:fb        fsincos    -             -                        @x87
d9:fc        frndint    -             -                        @x87
d9:fd        fscale     -             -                        @x87
d9:fe        fsin       -             -                        @x87
d9:ff        fcos       -             -                        @x87

# DA and DB
da/0:r       fcmovb     ST,STi        r=c                      @x87cmov
da/1:r       fcmove     ST,STi        r=z                      @x87cmov
da/2:r       fcmovbe    ST,STi        r=cz                     @x87cmov
da/3:r       fcmovu     ST,STi        r=p                      @x87cmov
da:e9        fucompp    -             -                        @x87
db/0:m       fild       Mid           -                        @x87
db/1:m       fisttp     Mid           -                        @sse3
db/2:m       fist       Mid           -                        @x87
db/3:m       fistp      Mid           -                        @x87
db/5:m       fld        Mft           -                        @x87
db/7:m       fstp       Mft           -                        @x87
db/0:r       fcmovnb    ST,STi        r=c                      @x87cmov
db/1:r       fcmovne    ST,STi        r=z                      @x87cmov
db/2:r       fcmovnbe   ST,STi        r=cz                     @x87cmov
db/3:r       fcmovnu    ST,STi        r=p                      @x87cmov
db:e0        fneni      -             -                        alias @x87
db:e1        fndisi     -             -                        alias @x87
db:e2        fnclex     -             -                        @x87
db:e3        fninit     -             -                        @x87
db:e4        fnsetpm    -             -                        alias @x87
db/5:r       fucomi     ST,STi        w=zpc,0=osa              @x87cmov
db/6:r       fcomi      ST,STi        w=zpc,0=osa              @x87cmov

# DD, DE and DF
dd/0:m       fld        Mfd           -                        @x87
dd/1:m       fisttp     Miq           -                        @sse3
dd/2:m       fst        Mfd           -                        @x87
dd/3:m       fstp       Mfd           -                        @x87
dd/4:m       frstor     Msta          -                        @x87
dd/6:m       fnsave     Msta          -                        @x87
dd/7:m       fnstsw     Mw            -                        @x87
dd/0:r       ffree      STi           -                        @x87
dd/1:r       fxch       STi           -                        alias @x87
dd/2:r       fst        STi           -                        @x87
dd/3:r       fstp       STi           -                        @x87
dd/4:r       fucom      STi           -                        @x87
dd/5:r       fucomp     STi           -                        @x87
df/0:m       fild       Miw           -                        @x87
df/1:m       fisttp     Miw           -                        @sse3
df/2:m       fist       Miw           -                        @x87
df/3:m       fistp      Miw           -                        @x87
df/4:m       fbld       Mbcd          -                        @x87
df/5:m       fild       Miq           -                        @x87
df/6:m       fbstp      Mbcd          -                        @x87
df/7:m       fistp      Miq           -                        @x87
df/0:r       ffreep     STi           -                        alias @x87
df/1:r       fxch       STi           -                        alias @x87
df/2:r       fstp       STi           -                        alias @x87
df/3:r       fstp       STi           -                        alias @x87
df:e0        fnstsw     AX            -                        @x87
df/5:r       fucomip    ST,STi        w=zpc,0=osa              @x87cmov
df/6:r       fcomip     ST,STi        w=zpc,0=osa              @x87cmov
`;
