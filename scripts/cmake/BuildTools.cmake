# ccache and a fast linker when they are there. Builds never depend on them.
find_program(ccache_program ccache)
if(ccache_program)
  # CCACHE_BASEDIR makes paths relative, so that every clone shares the cache.
  foreach(language CXX CUDA)
    set(CMAKE_${language}_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}"
        CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros "${ccache_program}")
  endforeach()
endif()

include(CheckCXXSourceCompiles)
foreach(linker mold lld)
  set(CMAKE_REQUIRED_LINK_OPTIONS "-fuse-ld=${linker}")
  check_cxx_source_compiles("int main() { return 0; }" DISTILL_HAS_${linker})
  unset(CMAKE_REQUIRED_LINK_OPTIONS)
  if(DISTILL_HAS_${linker})
    add_link_options("-fuse-ld=${linker}")
    break()
  endif()
endforeach()
if(DISTILL_SANITIZE)
  add_compile_options(-fsanitize=${DISTILL_SANITIZE} -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${DISTILL_SANITIZE})
endif()
