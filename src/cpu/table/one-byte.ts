/**
 * Opcodes of one byte. Source: SDM volume 2, Table A-2 and the groups of Table A-6, and the
 * instruction pages for flags. The columns are explained in row.ts.
 */
export const ONE_BYTE = `
# arithmetic and logic, in six forms each
00/r         add        Eb,Gb         ARITH                    lock
01/r         add        Ev,Gv         ARITH                    lock
02/r         add        Gb,Eb         ARITH
03/r         add        Gv,Ev         ARITH
04           add        AL,Ib         ARITH
05           add        rAX,Iz        ARITH
08/r         or         Eb,Gb         LOGIC                    lock
09/r         or         Ev,Gv         LOGIC                    lock
0a/r         or         Gb,Eb         LOGIC
0b/r         or         Gv,Ev         LOGIC
0c           or         AL,Ib         LOGIC
0d           or         rAX,Iz        LOGIC
10/r         adc        Eb,Gb         r=c,w=oszapc             lock
11/r         adc        Ev,Gv         r=c,w=oszapc             lock
12/r         adc        Gb,Eb         r=c,w=oszapc
13/r         adc        Gv,Ev         r=c,w=oszapc
14           adc        AL,Ib         r=c,w=oszapc
15           adc        rAX,Iz        r=c,w=oszapc
18/r         sbb        Eb,Gb         r=c,w=oszapc             lock
19/r         sbb        Ev,Gv         r=c,w=oszapc             lock
1a/r         sbb        Gb,Eb         r=c,w=oszapc
1b/r         sbb        Gv,Ev         r=c,w=oszapc
1c           sbb        AL,Ib         r=c,w=oszapc
1d           sbb        rAX,Iz        r=c,w=oszapc
20/r         and        Eb,Gb         LOGIC                    lock
21/r         and        Ev,Gv         LOGIC                    lock
22/r         and        Gb,Eb         LOGIC
23/r         and        Gv,Ev         LOGIC
24           and        AL,Ib         LOGIC
25           and        rAX,Iz        LOGIC
28/r         sub        Eb,Gb         ARITH                    lock
29/r         sub        Ev,Gv         ARITH                    lock
2a/r         sub        Gb,Eb         ARITH
2b/r         sub        Gv,Ev         ARITH
2c           sub        AL,Ib         ARITH
2d           sub        rAX,Iz        ARITH
30/r         xor        Eb,Gb         LOGIC                    lock
31/r         xor        Ev,Gv         LOGIC                    lock
32/r         xor        Gb,Eb         LOGIC
33/r         xor        Gv,Ev         LOGIC
34           xor        AL,Ib         LOGIC
35           xor        rAX,Iz        LOGIC
38/r         cmp        Eb,Gb         ARITH
39/r         cmp        Ev,Gv         ARITH
3a/r         cmp        Gb,Eb         ARITH
3b/r         cmp        Gv,Ev         ARITH
3c           cmp        AL,Ib         ARITH
3d           cmp        rAX,Iz        ARITH

# segment registers on the stack
06           push       ES            -                        i64 +sp
07           pop        ES            -                        i64 +sp
0e           push       CS            -                        i64 +sp
16           push       SS            -                        i64 +sp
17           pop        SS            -                        i64 +sp
1e           push       DS            -                        i64 +sp
1f           pop        DS            -                        i64 +sp

# decimal adjustment
27           daa        -             r=ac,w=szapc,u=o         i64 +al
2f           das        -             r=ac,w=szapc,u=o         i64 +al
37           aaa        -             r=a,w=ac,u=oszp          i64 +ax
3f           aas        -             r=a,w=ac,u=oszp          i64 +ax
d4           aam        Ib            w=szp,u=oac              i64 +ax
d5           aad        Ib            w=szp,u=oac              i64 +ax

# increment, decrement, stack
40+r         inc        Zv            w=oszap                  i64
48+r         dec        Zv            w=oszap                  i64
50+r         push       Zv            -                        d64 +sp
58+r         pop        Zv            -                        d64 +sp
60           pusha      -             -                        i64 +ax,cx,dx,bx,sp,bp,si,di
61           popa       -             -                        i64 +ax,cx,dx,bx,sp,bp,si,di
62/r:m       bound      Gv,Ma         -                        i64
63/r         arpl       Ew,Gw         w=z                      i64 pe
63/r         movsxd     Gv,Ed         -                        o64
68           push       Iz            -                        d64 +sp
69/r         imul       Gv,Ev,Iz      MUL
6a           push       sIb           -                        d64 +sp
6b/r         imul       Gv,Ev,sIb     MUL
6c           ins        Yb,DX         r=d                      rep io +di
6d           ins        Yz,DX         r=d                      rep io +di
6e           outs       DX,Xb         r=d                      rep io +si
6f           outs       DX,Xz         r=d                      rep io +si

# conditional jumps
70           jo         Jb            r=o                      f64 branch
71           jno        Jb            r=o                      f64 branch
72           jb         Jb            r=c                      f64 branch
73           jae        Jb            r=c                      f64 branch
74           je         Jb            r=z                      f64 branch
75           jne        Jb            r=z                      f64 branch
76           jbe        Jb            r=zc                     f64 branch
77           ja         Jb            r=zc                     f64 branch
78           js         Jb            r=s                      f64 branch
79           jns        Jb            r=s                      f64 branch
7a           jp         Jb            r=p                      f64 branch
7b           jnp        Jb            r=p                      f64 branch
7c           jl         Jb            r=os                     f64 branch
7d           jge        Jb            r=os                     f64 branch
7e           jle        Jb            r=osz                    f64 branch
7f           jg         Jb            r=osz                    f64 branch

# group 1
80/0         add        Eb,Ib         ARITH                    lock
80/1         or         Eb,Ib         LOGIC                    lock
80/2         adc        Eb,Ib         r=c,w=oszapc             lock
80/3         sbb        Eb,Ib         r=c,w=oszapc             lock
80/4         and        Eb,Ib         LOGIC                    lock
80/5         sub        Eb,Ib         ARITH                    lock
80/6         xor        Eb,Ib         LOGIC                    lock
80/7         cmp        Eb,Ib         ARITH
81/0         add        Ev,Iz         ARITH                    lock
81/1         or         Ev,Iz         LOGIC                    lock
81/2         adc        Ev,Iz         r=c,w=oszapc             lock
81/3         sbb        Ev,Iz         r=c,w=oszapc             lock
81/4         and        Ev,Iz         LOGIC                    lock
81/5         sub        Ev,Iz         ARITH                    lock
81/6         xor        Ev,Iz         LOGIC                    lock
81/7         cmp        Ev,Iz         ARITH
82/0         add        Eb,Ib         ARITH                    lock i64 alias
82/1         or         Eb,Ib         LOGIC                    lock i64 alias
82/2         adc        Eb,Ib         r=c,w=oszapc             lock i64 alias
82/3         sbb        Eb,Ib         r=c,w=oszapc             lock i64 alias
82/4         and        Eb,Ib         LOGIC                    lock i64 alias
82/5         sub        Eb,Ib         ARITH                    lock i64 alias
82/6         xor        Eb,Ib         LOGIC                    lock i64 alias
82/7         cmp        Eb,Ib         ARITH                    i64 alias
83/0         add        Ev,sIb        ARITH                    lock
83/1         or         Ev,sIb        LOGIC                    lock
83/2         adc        Ev,sIb        r=c,w=oszapc             lock
83/3         sbb        Ev,sIb        r=c,w=oszapc             lock
83/4         and        Ev,sIb        LOGIC                    lock
83/5         sub        Ev,sIb        ARITH                    lock
83/6         xor        Ev,sIb        LOGIC                    lock
83/7         cmp        Ev,sIb        ARITH

# test, exchange, move
84/r         test       Eb,Gb         LOGIC
85/r         test       Ev,Gv         LOGIC
86/r         xchg       Eb,Gb         -                        lock
87/r         xchg       Ev,Gv         -                        lock
88/r         mov        Eb,Gb         -
89/r         mov        Ev,Gv         -
8a/r         mov        Gb,Eb         -
8b/r         mov        Gv,Ev         -
8c/r:m       mov        Mw,Sw         -
8c/r:r       mov        Rv,Sw         -
8d/r:m       lea        Gv,M          -
8e/r:m       mov        Sw,Mw         -
8e/r:r       mov        Sw,Rv         -
8f/0         pop        Ev            -                        d64 +sp
f3.90        pause      -             -
b0.90        nop        -             -
90+r         xchg       Zv,rAX        -
o16.98       cbw        -             -                        +ax
o32.98       cwde       -             -                        +ax
o64.98       cdqe       -             -                        +ax
o16.99       cwd        -             -                        +ax,dx
o32.99       cdq        -             -                        +ax,dx
o64.99       cqo        -             -                        +ax,dx
9a           call       Ap            -                        i64 branch +sp
9c           pushf      Fv            r=oditszapc              d64 vm +sp
9d           popf       Fv            w=oditszapc              d64 vm +sp
9e           sahf       -             w=szapc                  @lahf +ah
9f           lahf       -             r=szapc                  @lahf +ah
a0           mov        AL,Ob         -
a1           mov        rAX,Ov        -
a2           mov        Ob,AL         -
a3           mov        Ov,rAX        -

# strings
a4           movs       Yb,Xb         r=d                      rep +si,di
a5           movs       Yv,Xv         r=d                      rep +si,di
a6           cmps       Xb,Yb         r=d,w=oszapc             repc +si,di
a7           cmps       Xv,Yv         r=d,w=oszapc             repc +si,di
a8           test       AL,Ib         LOGIC
a9           test       rAX,Iz        LOGIC
aa           stos       Yb,AL         r=d                      rep +di
ab           stos       Yv,rAX        r=d                      rep +di
ac           lods       AL,Xb         r=d                      rep +si
ad           lods       rAX,Xv        r=d                      rep +si
ae           scas       AL,Yb         r=d,w=oszapc             repc +di
af           scas       rAX,Yv        r=d,w=oszapc             repc +di

# immediate moves
b0+r         mov        Zb,Ib         -
b8+r         mov        Zv,Iv         -
c6/0         mov        Eb,Ib         -
c7/0         mov        Ev,Iz         -

# group 2: rotates and shifts. AF and, for counts above 1, OF are undefined; a count of 0 changes nothing.
c0/0         rol        Eb,Ib         w=c,m=o
c0/1         ror        Eb,Ib         w=c,m=o
c0/2         rcl        Eb,Ib         r=c,w=c,m=o
c0/3         rcr        Eb,Ib         r=c,w=c,m=o
c0/4         shl        Eb,Ib         w=szpc,m=oa
c0/5         shr        Eb,Ib         w=szpc,m=oa
c0/6         shl        Eb,Ib         w=szpc,m=oa              alias
c0/7         sar        Eb,Ib         w=szpc,m=oa
c1/0         rol        Ev,Ib         w=c,m=o
c1/1         ror        Ev,Ib         w=c,m=o
c1/2         rcl        Ev,Ib         r=c,w=c,m=o
c1/3         rcr        Ev,Ib         r=c,w=c,m=o
c1/4         shl        Ev,Ib         w=szpc,m=oa
c1/5         shr        Ev,Ib         w=szpc,m=oa
c1/6         shl        Ev,Ib         w=szpc,m=oa              alias
c1/7         sar        Ev,Ib         w=szpc,m=oa
d0/0         rol        Eb,1          w=oc
d0/1         ror        Eb,1          w=oc
d0/2         rcl        Eb,1          r=c,w=oc
d0/3         rcr        Eb,1          r=c,w=oc
d0/4         shl        Eb,1          w=oszpc,u=a
d0/5         shr        Eb,1          w=oszpc,u=a
d0/6         shl        Eb,1          w=oszpc,u=a              alias
d0/7         sar        Eb,1          w=oszpc,u=a
d1/0         rol        Ev,1          w=oc
d1/1         ror        Ev,1          w=oc
d1/2         rcl        Ev,1          r=c,w=oc
d1/3         rcr        Ev,1          r=c,w=oc
d1/4         shl        Ev,1          w=oszpc,u=a
d1/5         shr        Ev,1          w=oszpc,u=a
d1/6         shl        Ev,1          w=oszpc,u=a              alias
d1/7         sar        Ev,1          w=oszpc,u=a
d2/0         rol        Eb,CL         w=c,m=o
d2/1         ror        Eb,CL         w=c,m=o
d2/2         rcl        Eb,CL         r=c,w=c,m=o
d2/3         rcr        Eb,CL         r=c,w=c,m=o
d2/4         shl        Eb,CL         w=szpc,m=oa
d2/5         shr        Eb,CL         w=szpc,m=oa
d2/6         shl        Eb,CL         w=szpc,m=oa              alias
d2/7         sar        Eb,CL         w=szpc,m=oa
d3/0         rol        Ev,CL         w=c,m=o
d3/1         ror        Ev,CL         w=c,m=o
d3/2         rcl        Ev,CL         r=c,w=c,m=o
d3/3         rcr        Ev,CL         r=c,w=c,m=o
d3/4         shl        Ev,CL         w=szpc,m=oa
d3/5         shr        Ev,CL         w=szpc,m=oa
d3/6         shl        Ev,CL         w=szpc,m=oa              alias
d3/7         sar        Ev,CL         w=szpc,m=oa

# returns, interrupts, frames
c2           ret        Iw            -                        f64 branch +sp
c3           ret        -             -                        f64 branch +sp
c4/r:m       les        Gv,Mp         -                        i64
c5/r:m       lds        Gv,Mp         -                        i64
c8           enter      Iw,Ib         -                        d64 +sp,bp
c9           leave      -             -                        d64 +sp,bp
ca           retf       Iw            -                        branch +sp
cb           retf       -             -                        branch +sp
cc           int3       -             -                        branch
cd           int        Ib            -                        branch vm
ce           into       -             r=o                      i64 branch
cf           iret       -             w=oditszapc              branch vm +sp
d6           salc       -             r=c                      i64 +al
d7           xlat       Bb            -                        +al,bx
9b           fwait      -             -                        @x87 wait

# loops and ports
e0           loopne     Jb            r=z                      f64 branch +cx
e1           loope      Jb            r=z                      f64 branch +cx
e2           loop       Jb            -                        f64 branch +cx
e3           jcxz       Jb            -                        f64 branch +cx
e4           in         AL,Ib         -                        io
e5           in         eAX,Ib        -                        io
e6           out        Ib,AL         -                        io
e7           out        Ib,eAX        -                        io
e8           call       Jz            -                        f64 branch +sp
e9           jmp        Jz            -                        f64 branch
ea           jmp        Ap            -                        i64 branch
eb           jmp        Jb            -                        f64 branch
ec           in         AL,DX         -                        io
ed           in         eAX,DX        -                        io
ee           out        DX,AL         -                        io
ef           out        DX,eAX        -                        io

# single byte control
f1           int1       -             -                        branch
f4           hlt        -             -                        cpl0 branch
f5           cmc        -             r=c,w=c
f8           clc        -             0=c
f9           stc        -             1=c
fa           cli        -             0=i                      iopl
fb           sti        -             1=i                      iopl
fc           cld        -             0=d
fd           std        -             1=d

# groups 3 to 5
f6/0         test       Eb,Ib         LOGIC
f6/1         test       Eb,Ib         LOGIC                    alias
f6/2         not        Eb            -                        lock
f6/3         neg        Eb            ARITH                    lock
f6/4         mul        Eb            MUL                      +ax
f6/5         imul       Eb            MUL                      +ax
f6/6         div        Eb            u=oszapc                 +ax
f6/7         idiv       Eb            u=oszapc                 +ax
f7/0         test       Ev,Iz         LOGIC
f7/1         test       Ev,Iz         LOGIC                    alias
f7/2         not        Ev            -                        lock
f7/3         neg        Ev            ARITH                    lock
f7/4         mul        Ev            MUL                      +ax,dx
f7/5         imul       Ev            MUL                      +ax,dx
f7/6         div        Ev            u=oszapc                 +ax,dx
f7/7         idiv       Ev            u=oszapc                 +ax,dx
fe/0         inc        Eb            w=oszap                  lock
fe/1         dec        Eb            w=oszap                  lock
ff/0         inc        Ev            w=oszap                  lock
ff/1         dec        Ev            w=oszap                  lock
ff/2         call       Ev            -                        f64 branch +sp
ff/3:m       call       Mp            -                        branch +sp
ff/4         jmp        Ev            -                        f64 branch
ff/5:m       jmp        Mp            -                        branch
ff/6         push       Ev            -                        d64 +sp
`;
