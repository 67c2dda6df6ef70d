/**
 * Opcodes 0F xx of the general and system instructions. Source: SDM volume 2, Table A-3 and
 * the groups of Table A-6. The SIMD opcodes of this map are in simd.ts and mmx-sse.ts.
 */
export const TWO_BYTE = `
# groups 6 and 7, system registers
0f00/0:m     sldt       Mw            -                        pe umip
0f00/0:r     sldt       Rv            -                        pe umip
0f00/1:m     str        Mw            -                        pe umip
0f00/1:r     str        Rv            -                        pe umip
0f00/2       lldt       Ew            -                        pe cpl0
0f00/3       ltr        Ew            -                        pe cpl0
0f00/4       verr       Ew            w=z                      pe
0f00/5       verw       Ew            w=z                      pe
0f01/0:m     sgdt       Ms            -                        x64 umip
0f01/1:m     sidt       Ms            -                        x64 umip
0f01/2:m     lgdt       Ms            -                        x64 cpl0
0f01/3:m     lidt       Ms            -                        x64 cpl0
0f01/4:m     smsw       Mw            -                        umip
0f01/4:r     smsw       Rv            -                        umip
0f01/6       lmsw       Ew            -                        cpl0
0f01/7:m     invlpg     Mb            -                        cpl0
np.0f01:c1   vmcall     -             -                        branch
np.0f01:c8   monitor    -             -                        cpl0 @monitor +ax,cx,dx
np.0f01:c9   mwait      -             -                        cpl0 @monitor +ax,cx
np.0f01:ca   clac       -             -                        cpl0 @smap
np.0f01:cb   stac       -             -                        cpl0 @smap
np.0f01:d0   xgetbv     -             -                        @xsave +ax,cx,dx
np.0f01:d1   xsetbv     -             -                        cpl0 @xsave +ax,cx,dx
np.0f01:d9   vmmcall    -             -                        branch
np.0f01:e8   serialize  -             -                        @serialize
0f01:f8      swapgs     -             -                        o64 cpl0
0f01:f9      rdtscp     -             -                        tsd @rdtscp +ax,cx,dx
0f02/r:m     lar        Gv,Mw         w=z                      pe
0f02/r:r     lar        Gv,Rv         w=z                      pe
0f03/r:m     lsl        Gv,Mw         w=z                      pe
0f03/r:r     lsl        Gv,Rv         w=z                      pe
0f05         syscall    -             w=oditszapc              o64 branch @syscall +cx,r11
0f06         clts       -             -                        cpl0
0f07         sysret     -             w=oditszapc              o64 branch cpl0 pe @syscall +cx,r11
0f08         invd       -             -                        cpl0
0f09         wbinvd     -             -                        cpl0
0f0b         ud2        -             -

# prefetches and the reserved no-operation space: memory is not touched, and every digit decodes
0f0d/0:m     prefetch   M             -                        nop
0f0d/1:m     prefetchw  M             -                        nop
0f0d/2:m     prefetchwt1 M             -                        nop
0f0d/3:m     prefetch   M             -                        nop alias
0f0d/4:m     prefetch   M             -                        nop alias
0f0d/5:m     prefetch   M             -                        nop alias
0f0d/6:m     prefetch   M             -                        nop alias
0f0d/7:m     prefetch   M             -                        nop alias
0f0d/r:r     nop        Ev,Gv         -                        nop alias
0f18/0:m     prefetchnta M             -                        nop
0f18/1:m     prefetcht0 M             -                        nop
0f18/2:m     prefetcht1 M             -                        nop
0f18/3:m     prefetcht2 M             -                        nop
0f18/r       nop        Ev            -                        nop alias
f3.0f1e:fa   endbr64    -             -                        nop
f3.0f1e:fb   endbr32    -             -                        nop
0f19/r       nop        Ev            -                        nop alias
0f1a/r       nop        Ev            -                        nop alias
0f1b/r       nop        Ev            -                        nop alias
0f1c/r       nop        Ev            -                        nop alias
0f1d/r       nop        Ev            -                        nop alias
0f1e/r       nop        Ev            -                        nop alias
0f1f/r       nop        Ev            -                        nop

# control and debug registers: the mod field is ignored; #UD for a register that is not there comes
# before #GP for the privilege level, so that both are theirs to check
0f20/r       mov        Rn,Cn         u=oszapc                 modrr
0f21/r       mov        Rn,Dn         u=oszapc                 modrr
0f22/r       mov        Cn,Rn         u=oszapc                 modrr
0f23/r       mov        Dn,Rn         u=oszapc                 modrr
0f30         wrmsr      -             -                        cpl0 +ax,cx,dx
0f31         rdtsc      -             -                        tsd +ax,dx
0f32         rdmsr      -             -                        cpl0 +ax,cx,dx
0f33         rdpmc      -             -                        pce +ax,cx,dx
0f34         sysenter   -             0=i                      pe branch @sep +sp
0f35         sysexit    -             -                        pe cpl0 branch @sep +cx,dx,sp

# conditional moves, jumps and sets
0f40/r       cmovo      Gv,Ev         r=o                      @cmov
0f41/r       cmovno     Gv,Ev         r=o                      @cmov
0f42/r       cmovb      Gv,Ev         r=c                      @cmov
0f43/r       cmovae     Gv,Ev         r=c                      @cmov
0f44/r       cmove      Gv,Ev         r=z                      @cmov
0f45/r       cmovne     Gv,Ev         r=z                      @cmov
0f46/r       cmovbe     Gv,Ev         r=zc                     @cmov
0f47/r       cmova      Gv,Ev         r=zc                     @cmov
0f48/r       cmovs      Gv,Ev         r=s                      @cmov
0f49/r       cmovns     Gv,Ev         r=s                      @cmov
0f4a/r       cmovp      Gv,Ev         r=p                      @cmov
0f4b/r       cmovnp     Gv,Ev         r=p                      @cmov
0f4c/r       cmovl      Gv,Ev         r=os                     @cmov
0f4d/r       cmovge     Gv,Ev         r=os                     @cmov
0f4e/r       cmovle     Gv,Ev         r=osz                    @cmov
0f4f/r       cmovg      Gv,Ev         r=osz                    @cmov
0f80         jo         Jz            r=o                      f64 branch
0f81         jno        Jz            r=o                      f64 branch
0f82         jb         Jz            r=c                      f64 branch
0f83         jae        Jz            r=c                      f64 branch
0f84         je         Jz            r=z                      f64 branch
0f85         jne        Jz            r=z                      f64 branch
0f86         jbe        Jz            r=zc                     f64 branch
0f87         ja         Jz            r=zc                     f64 branch
0f88         js         Jz            r=s                      f64 branch
0f89         jns        Jz            r=s                      f64 branch
0f8a         jp         Jz            r=p                      f64 branch
0f8b         jnp        Jz            r=p                      f64 branch
0f8c         jl         Jz            r=os                     f64 branch
0f8d         jge        Jz            r=os                     f64 branch
0f8e         jle        Jz            r=osz                    f64 branch
0f8f         jg         Jz            r=osz                    f64 branch
0f90/r       seto       Eb            r=o
0f91/r       setno      Eb            r=o
0f92/r       setb       Eb            r=c
0f93/r       setae      Eb            r=c
0f94/r       sete       Eb            r=z
0f95/r       setne      Eb            r=z
0f96/r       setbe      Eb            r=zc
0f97/r       seta       Eb            r=zc
0f98/r       sets       Eb            r=s
0f99/r       setns      Eb            r=s
0f9a/r       setp       Eb            r=p
0f9b/r       setnp      Eb            r=p
0f9c/r       setl       Eb            r=os
0f9d/r       setge      Eb            r=os
0f9e/r       setle      Eb            r=osz
0f9f/r       setg       Eb            r=osz

# stack, bits, double shifts
0fa0         push       FS            -                        d64 +sp
0fa1         pop        FS            -                        d64 +sp
0fa2         cpuid      -             -                        +ax,bx,cx,dx
0fa3/r       bt         Ev,Gv         BIT
0fa4/r       shld       Ev,Gv,Ib      w=szpc,m=oa
0fa5/r       shld       Ev,Gv,CL      w=szpc,m=oa
0fa8         push       GS            -                        d64 +sp
0fa9         pop        GS            -                        d64 +sp
0faa         rsm        -             w=oditszapc              branch smm
0fab/r       bts        Ev,Gv         BIT                      lock
0fac/r       shrd       Ev,Gv,Ib      w=szpc,m=oa
0fad/r       shrd       Ev,Gv,CL      w=szpc,m=oa
0faf/r       imul       Gv,Ev         MUL
0fb0/r       cmpxchg    Eb,Gb         ARITH                    lock +al
0fb1/r       cmpxchg    Ev,Gv         ARITH                    lock +ax
0fb2/r:m     lss        Gv,Mp         -
0fb3/r       btr        Ev,Gv         BIT                      lock
0fb4/r:m     lfs        Gv,Mp         -
0fb5/r:m     lgs        Gv,Mp         -
0fb6/r       movzx      Gv,Eb         -
0fb7/r       movzx      Gv,Ew         -
f3.0fb8/r    popcnt     Gv,Ev         w=z,0=osapc              @popcnt
0fb9/r       ud1        Gv,Ev         -
0fba/4       bt         Ev,Ib         BIT
0fba/5       bts        Ev,Ib         BIT                      lock
0fba/6       btr        Ev,Ib         BIT                      lock
0fba/7       btc        Ev,Ib         BIT                      lock
0fbb/r       btc        Ev,Gv         BIT                      lock
f3.0fbc/r    tzcnt      Gv,Ev         w=zc,u=osap              @bmi1
0fbc/r       bsf        Gv,Ev         w=z,u=osapc
f3.0fbd/r    lzcnt      Gv,Ev         w=zc,u=osap              @lzcnt
0fbd/r       bsr        Gv,Ev         w=z,u=osapc
0fbe/r       movsx      Gv,Eb         -
0fbf/r       movsx      Gv,Ew         -
0fc0/r       xadd       Eb,Gb         ARITH                    lock
0fc1/r       xadd       Ev,Gv         ARITH                    lock
np.0fc3/r:m  movnti     My,Gy         -                        @sse2
o64.0fc7/1:m cmpxchg16b Mdq           w=z                      lock align @cx16 +ax,bx,cx,dx
0fc7/1:m     cmpxchg8b  Mq            w=z                      lock @cx8 +ax,bx,cx,dx
f3.0fc7/7:r  rdpid      Rn            -                        @rdpid
nf.0fc7/6:r  rdrand     Rv            w=c,0=oszap              @rdrand
nf.0fc7/7:r  rdseed     Rv            w=c,0=oszap              @rdseed
0fc8+r       bswap      Zv            -
0fff/r       ud0        Gv,Ev         -

# group 15: saved state, fences, segment bases
np.0fae/0:m  fxsave     Mfx           -                        align x64 @fxsr
np.0fae/1:m  fxrstor    Mfx           -                        align x64 @fxsr
np.0fae/2:m  ldmxcsr    Md            -                        @sse
np.0fae/3:m  stmxcsr    Md            -                        @sse
np.0fae/4:m  xsave      M             -                        x64 @xsave
np.0fae/5:m  xrstor     M             -                        x64 @xsave
np.0fae/6:m  xsaveopt   M             -                        x64 @xsaveopt
np.0fae/7:m  clflush    Mb            -                        @clflush
66.0fae/7:m  clflushopt Mb            -                        @clflushopt
66.0fae/6:m  clwb       Mb            -                        @clwb
np.0fae/5:r  lfence     -             -                        @sse2
np.0fae/6:r  mfence     -             -                        @sse2
np.0fae/7:r  sfence     -             -                        @sse
f3.0fae/0:r  rdfsbase   Ry            -                        o64 @fsgsbase
f3.0fae/1:r  rdgsbase   Ry            -                        o64 @fsgsbase
f3.0fae/2:r  wrfsbase   Ry            -                        o64 @fsgsbase
f3.0fae/3:r  wrgsbase   Ry            -                        o64 @fsgsbase
`;
