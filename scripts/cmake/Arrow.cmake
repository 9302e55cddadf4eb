# Parquet and Arrow data are an option: AUTO turns them on when a pyarrow package is found whose libraries link with this compiler.
# The wheel brings the headers and the Arrow C++ libraries under their full names (libarrow.so.2600), without a CMake package.
set(DISTILL_ARROW AUTO CACHE STRING "AUTO, ON or OFF")
set_property(CACHE DISTILL_ARROW PROPERTY STRINGS AUTO ON OFF)
set(DISTILL_ARROW_ROOT "" CACHE PATH "The `pyarrow` package folder that holds include/ and libarrow.so.* (found when empty)")
set(DISTILL_ARROW_ENABLED OFF)
set(arrow_reason "DISTILL_ARROW=OFF")

# A folder that the user names is the only candidate, as for torch.
function(distill_find_arrow result)
  set(root "${DISTILL_ARROW_ROOT}")
  if(NOT root)
    set(root "$ENV{DISTILL_ARROW_ROOT}")
  endif()
  find_program(distill_python NAMES python3 python)
  if(NOT root AND distill_python)
    execute_process(
      COMMAND "${distill_python}" -c
              "import importlib.util as u, os; s = u.find_spec('pyarrow'); print(os.path.dirname(s.origin) if s and s.origin else '')"
      OUTPUT_VARIABLE root OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  set(${result} "${root}" PARENT_SCOPE)
endfunction()

if(NOT DISTILL_ARROW STREQUAL "OFF")
  distill_find_arrow(arrow_root)
  file(GLOB arrow_library "${arrow_root}/libarrow.so.*")
  file(GLOB parquet_library "${arrow_root}/libparquet.so.*")
  list(LENGTH arrow_library num_arrow_libraries)
  list(LENGTH parquet_library num_parquet_libraries)
  if(NOT arrow_root)
    set(arrow_reason "no pyarrow: `pip install pyarrow`, or -DDISTILL_ARROW_ROOT=")
  elseif(NOT num_arrow_libraries EQUAL 1 OR NOT num_parquet_libraries EQUAL 1 OR NOT EXISTS "${arrow_root}/include/parquet/arrow/reader.h")
    set(arrow_reason "no headers, or not one libarrow.so.* and libparquet.so.*, in ${arrow_root}")
  else()
    # Wheels for old systems have another ABI of std::string, and headers may ask for a newer compiler: only linking tells.
    include(CheckCXXSourceCompiles)
    set(CMAKE_REQUIRED_FLAGS "-std=c++20")
    set(CMAKE_REQUIRED_INCLUDES "${arrow_root}/include")
    set(CMAKE_REQUIRED_LIBRARIES "${arrow_library}" "${parquet_library}")
    set(CMAKE_REQUIRED_LINK_OPTIONS "LINKER:--allow-shlib-undefined")
    string(MAKE_C_IDENTIFIER "DISTILL_ARROW_LINKS_${arrow_library}" arrow_links)   # asked again for another pyarrow
    check_cxx_source_compiles("
      #include <arrow/io/file.h>
      #include <parquet/arrow/reader.h>
      int main(int, char** names) {
        parquet::arrow::FileReaderBuilder builder;
        return builder.OpenFile(std::string(names[0])).ok() ? 0 : 1;
      }" ${arrow_links})
    unset(CMAKE_REQUIRED_FLAGS)
    unset(CMAKE_REQUIRED_INCLUDES)
    unset(CMAKE_REQUIRED_LIBRARIES)
    unset(CMAKE_REQUIRED_LINK_OPTIONS)
    if(${arrow_links})
      set(DISTILL_ARROW_ENABLED ON)
    else()
      set(arrow_reason "a program with ${arrow_library} does not link")
    endif()
  endif()
endif()

if(DISTILL_ARROW_ENABLED)
  add_library(distill_arrow INTERFACE)
  add_library(distill::arrow ALIAS distill_arrow)
  target_include_directories(distill_arrow SYSTEM INTERFACE "${arrow_root}/include")
  target_link_libraries(distill_arrow INTERFACE "${arrow_library}" "${parquet_library}")
  target_link_options(distill_arrow INTERFACE "LINKER:-rpath,${arrow_root}" "LINKER:--allow-shlib-undefined")
  message(STATUS "Arrow: on, ${arrow_library}")
elseif(DISTILL_ARROW STREQUAL "ON")
  message(FATAL_ERROR "DISTILL_ARROW=ON, but ${arrow_reason}.")
else()
  message(STATUS "Arrow: off, Parquet and Arrow data are refused (${arrow_reason})")
endif()
